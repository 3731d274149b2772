"""Over how many shards a pool is spread in Redis, as it is of record there.

With another number a session would be looked for in another shard, and be made anew
there beside itself. So whoever opens a pool compares, and does not begin.
"""

import re
from typing import Any, Final

from redis import Redis

from limpet.connection import STORE_ERRORS, as_text, store_error
from limpet.errors import ConfigurationError
from limpet.keys import POOLS, Keys
from limpet.settings import Settings
from sessions.store import pool_names

#: Of record while a pool is being moved.
_MOVING: Final = "moving"
#: What stays where it is: of jobs, snapshots, and this very number; see `limpet.keys`.
_KEPT: Final = "(k|wh|wr|pg):|(m|sn)$"
#: Keys that one step of a look through all of them asks for: about 1 ms of the server.
_SCAN_STEP: Final = 1000


class Layout:
    """That of one pool; raises `StoreUnavailable`."""

    def __init__(self, client: Redis, pool: str) -> None:
        self._client = client
        self._pool = pool
        self._key = Keys(pool).shards

    def require(self, count: int) -> None:
        """See that the pool has *count* shards; a new one gets them.

        Raises:
            ConfigurationError: it has another number of them.
        """
        try:
            found = self._count()
            if found is None and count > 1:
                self._client.set(self._key, count, nx=True)
                found = self._count()
        except STORE_ERRORS as error:
            raise store_error(error) from None
        if found not in {None, str(count)}:
            there = "being moved" if found == _MOVING else f"in {found} of them"
            raise ConfigurationError(
                f"LIMPET_POOL_SHARDS: pool {self._pool} is to have {count} "
                f"shard{'s' * (count > 1)}, and Redis has it {there}: its sessions "
                "would be split in two; set the number back, or stop all services and "
                f"run `python manage.py sessions reshard --pool {self._pool} "
                "--out FILE`"
            )

    def count(self) -> int | None:
        """Return how many shards the pool has, 1 if there is none such.

        `None` if it is being moved: then none of its shards is whole.
        """
        try:
            found = self._count() or "1"
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return int(found) if found.isdigit() else None

    def clear(self) -> None:
        """Forget what all shards hold, on the way to another number of them.

        What jobs have noted stays, and so do snapshots. Looks through all keys of the
        server, in short steps. From here on nobody can open the pool, until `settle`;
        after a crash it is to be done again.
        """
        try:
            self._client.set(self._key, _MOVING)
            self._forget()
        except STORE_ERRORS as error:
            raise store_error(error) from None

    def settle(self, count: int) -> None:
        """Have *count* shards from now on."""
        try:
            if count > 1:
                self._client.set(self._key, count)
            else:
                self._client.delete(self._key)
        except STORE_ERRORS as error:
            raise store_error(error) from None

    def _forget(self) -> None:
        ours = re.compile(rf"\{{{re.escape(self._pool)}(#[0-9]+)?\}}:(?!{_KEPT})")
        batch: list[bytes] = []
        for key in self._client.scan_iter(f"{{{self._pool}*", count=_SCAN_STEP):
            if ours.match(as_text(key)):
                batch.append(key)
            if len(batch) == _SCAN_STEP:
                self._unlink(batch)
                batch = []
        self._unlink(batch)

    def _unlink(self, keys: list[bytes]) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.unlink(key)
            pipe.execute()

    def _count(self) -> str | None:
        """What is of record; `None` of a pool that nobody has made."""
        found: Any = self._client.get(self._key)
        if found is not None:
            return as_text(found)
        return "1" if self._client.sismember(POOLS, self._pool) else None


def require_layouts(client: Redis, settings: Settings) -> None:
    """See that all pools have as many shards in Redis as by the settings.

    Raises:
        ConfigurationError: a pool has another number of them.
        StoreUnavailable: Redis cannot be asked.
    """
    for pool in sorted({*pool_names(client), *settings.shards.counts}):
        Layout(client, pool).require(settings.shards.count(pool))
