"""Names of sessions by when they expire, of a pool that lies in several shards.

Each shard has an index in that order. Where a page of all of them begins is found by
halving the time in question, with a count of each shard: the way to the thousandth page
is as short as that to the second.
"""

from collections.abc import Sequence
from typing import Any, Final

from redis import Redis

from limpet.connection import STORE_ERRORS, as_text, store_error

#: Unix ms of the year 2286; no session expires later.
_LATEST: Final = 10**13


class Paging:
    """Raises `StoreUnavailable` when Redis does not do its work."""

    def __init__(self, client: Redis, indexes: Sequence[str]) -> None:
        self._client = client
        self._indexes = indexes

    def names(
        self, start: int, count: int, *, total: int, last_first: bool
    ) -> list[str]:
        """Return *count* names after *start* ones, of *total* that there are."""
        count = max(0, min(count, total - start))
        if not count:
            return []
        first = total - start - count if last_first else start
        try:
            names = self._window(first, count)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return names[::-1] if last_first else names

    def _window(self, first: int, count: int) -> list[str]:
        """Return the names after the *first* ones, in the order of the indexes."""
        since, before = 0, 0
        until = _LATEST if first else 0
        # So many expire before *since*: never more than are to be passed over.
        while since < until:
            middle = (since + until + 1) // 2
            passed = self._before(middle)
            if passed <= first:
                since, before = middle, passed
            else:
                until = middle - 1
        skip = first - before
        with self._pipeline() as pipe:
            for index in self._indexes:
                pipe.zrangebyscore(
                    index, since, "+inf", start=0, num=skip + count, withscores=True
                )
            found = pipe.execute()
        pairs = sorted((score, name) for part in found for name, score in part)
        return [as_text(name) for _, name in pairs[skip:][:count]]

    def _before(self, moment: int) -> int:
        with self._pipeline() as pipe:
            for index in self._indexes:
                pipe.zcount(index, "-inf", f"({moment}")
            return sum(pipe.execute())

    def _pipeline(self) -> Any:
        return self._client.pipeline(transaction=False)
