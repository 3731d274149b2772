"""What people and upkeep read of the sessions of one pool, changing nothing."""

import re
import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from redis import Redis
from redis.exceptions import ResponseError

from limpet.connection import STORE_ERRORS, as_text, store_error
from limpet.keys import Keys

#: Names that one step of a search looks at: about 0.3 ms of the server, after which
#: others have their turn.
_FIND_STEP: Final = 500
#: Seconds that one search looks: some 100,000 names; then it says where to go on.
_FIND_TIME: Final = 0.3


#: Stands for the fields of a key that is no hash.
NO_HASH: Final = {"?": ""}


class Found(NamedTuple):
    """Names that a search has found, and where to go on, 0 at the end."""

    names: list[str]
    cursor: int


class SessionReads:
    """Raises `StoreUnavailable` when Redis does not do its work."""

    def __init__(self, client: Redis, pool: str) -> None:
        self._client = client
        self._keys = Keys(pool)

    def fields(self, ids: Iterable[str]) -> list[dict[str, str]]:
        """Return the fields of each session, an empty dict where there is none.

        A key that is no hash has one field that no session has.
        """
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for session_id in ids:
                    pipe.hgetall(self._keys.session(session_id))
                rows = pipe.execute(raise_on_error=False)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return [_fields(row) for row in rows]

    def homes(self, ids: Iterable[str]) -> list[str]:
        """Return the proxy of each session, empty where there is none."""
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for session_id in ids:
                    pipe.hget(self._keys.session(session_id), "p")
                found = pipe.execute(raise_on_error=False)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return [as_text(one) if isinstance(one, bytes) else "" for one in found]

    def ids(self, cursor: int, count: int) -> tuple[int, list[str]]:
        """Return some sessions and where to go on, 0 at the end; see ZSCAN."""
        try:
            reply: Any = self._client.zscan(self._keys.expiry, cursor, count=count)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return int(reply[0]), [as_text(name) for name, _ in reply[1]]

    def find(self, prefix: str, most: int, cursor: int = 0) -> Found:
        """Return about *most* sessions whose names begin so, looking from *cursor* on.

        No index has them by name: it looks through all, in short steps, and after
        0.3 s it says where to go on instead.
        """
        pattern = re.sub(r"([*?^\[\]\\-])", r"\\\1", prefix) + "*"
        found, until = set[str](), time.monotonic() + _FIND_TIME
        while True:
            try:
                reply: Any = self._client.zscan(
                    self._keys.expiry, cursor, match=pattern, count=_FIND_STEP
                )
            except STORE_ERRORS as error:
                raise store_error(error) from None
            cursor = int(reply[0])
            found.update(as_text(name) for name, _ in reply[1])
            if not cursor or len(found) >= most or time.monotonic() > until:
                return Found(sorted(found), cursor)

    def audit(self, count: int) -> list[tuple[str, dict[str, str]]]:
        """Return the newest *count* audit events, the newest first."""
        try:
            found: Any = self._client.xrevrange(self._keys.audit, count=count)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return [
            (as_text(key), {as_text(k): as_text(v) for k, v in event.items()})
            for key, event in found
        ]


def _fields(reply: Any) -> dict[str, str]:
    if isinstance(reply, ResponseError) and str(reply).startswith("WRONGTYPE"):
        return dict(NO_HASH)
    if isinstance(reply, Exception):
        raise store_error(reply) from None
    return {as_text(name): as_text(value) for name, value in reply.items()}


def moment(event: tuple[str, dict[str, str]]) -> tuple[int, int]:
    """Return when an audit event was told, in Unix ms, and its number of that ms."""
    milliseconds, _, number = event[0].partition("-")
    return int(milliseconds), int(number)
