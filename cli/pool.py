"""A pool as commands see it: its proxies in SQL and in Redis, kept in step."""

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, ProgrammingError

from history.names import Names
from history.trail import Ended, Trail
from limpet import database, schema
from limpet.connection import session_redis
from limpet.errors import ConfigurationError
from limpet.sealing import Sealer
from limpet.settings import Settings
from proxies import DIRECT, ProxyPool, ProxyRecord, ProxyStatus, tables
from sessions import SessionManager, open_pool, open_proxies, open_store
from sessions.store import pool_names

#: Proxies published between two looks at the progress.
_STEP: Final = 500

Told = Callable[[int, int], None]


class Pool:
    """One pool; what it takes is opened when it is first used."""

    def __init__(self, name: str, config: Settings) -> None:
        self.name = name
        self.config = config
        self.sealer = Sealer.of(config)

    @cached_property
    def engine(self) -> Engine:
        """The inventory's database, its tables brought up to date."""
        schema.upgrade(self.config)
        return database.engine(self.config.sql_url)

    @cached_property
    def proxies(self) -> ProxyPool:
        return open_proxies(session_redis(self.config), self.name, self.config)

    @cached_property
    def sessions(self) -> SessionManager:
        return open_pool(session_redis(self.config), self.name, self.config)

    @property
    def direct(self) -> bool:
        """Whether the pool goes out without any proxy."""
        return self.name in self.config.direct_pools.split(",")

    # --- the inventory ----------------------------------------------------------

    def inventory(self) -> list[ProxyRecord]:
        """Every proxy of the pool, in the order of their addresses."""
        if self.direct:
            return [DIRECT]
        return tables.load(self.engine, self.sealer, self.name)

    def find(self, ids: Iterable[str]) -> dict[str, ProxyRecord | None]:
        """The proxies with these *ids*, `None` where the inventory has none."""
        if self.direct:
            return {one: DIRECT if one == DIRECT.id else None for one in ids}
        return {
            one: tables.get(self.engine, self.sealer, self.name, one) for one in ids
        }

    def known(self) -> set[str]:
        """The ids of the inventory, told without making a file or changing a table.

        Raises:
            ConfigurationError: the tables are not there, or of an older version.
        """
        engine = database.engine(self.config.sql_url)
        file = engine.url.database
        if engine.dialect.name == "sqlite" and file and not Path(file).exists():
            return set()
        try:
            return {one.id for one in tables.load(engine, self.sealer, self.name)}
        except (OperationalError, ProgrammingError):
            raise ConfigurationError(
                "the tables are of an older version: run `python manage.py migrate`"
            ) from None

    def add(
        self,
        records: Sequence[ProxyRecord],
        *,
        fields: Collection[str],
        progress: Told,
    ) -> int:
        """Write *records* to the inventory; return how many were new."""
        return tables.save(
            self.engine,
            self.sealer,
            self.name,
            records,
            fields=fields,
            progress=progress,
        )

    def publish(
        self, records: Sequence[ProxyRecord], *, progress: Told, anew: bool = False
    ) -> int:
        """Copy *records* to Redis; return how many were new there.

        Raises:
            ConfigurationError: some shards have proxies then, and others have none.
        """
        new = 0
        for start in range(0, len(records), _STEP):
            step = records[start : start + _STEP]
            new += self.proxies.publish(step, anew=anew)
            progress(start + len(step), len(records))
        self.proxies.require_proxies()
        return new

    def strangers(self) -> list[str]:
        """The proxies that Redis has and the inventory has not, but for removed ones.

        Rows were deleted, an older database is back, or it is another one than that of
        the workers.
        """
        return self.proxies.strangers(self._recorded)

    def retire(self, ids: Sequence[str], *, progress: Told) -> int:
        """Remove from Redis those of *ids* that the inventory still has not."""
        retired = 0
        for start in range(0, len(ids), _STEP):
            step = ids[start : start + _STEP]
            # Asked again: somebody may have added one while a person was thinking.
            for one in sorted(set(step) - self._recorded(step)):
                retired += self.proxies.set_mode(one, "removed")
            progress(start + len(step), len(ids))
        return retired

    def _recorded(self, ids: Collection[str]) -> set[str]:
        if self.direct:
            return {DIRECT.id}
        return tables.known(self.engine, self.name, ids)

    # --- what may be done with a proxy ------------------------------------------

    def set_mode(self, record: ProxyRecord, mode: str) -> None:
        """Say what may be done with a proxy: in SQL, which is of record, and in Redis.

        *mode* is empty for everything, ``draining``, ``evacuating`` or ``disabled``.
        """
        # A direct pool has no row: there it lasts as long as Redis.
        tables.set_mode(self.engine, self.name, record.id, mode)
        if not self.proxies.set_mode(record.id, mode):
            self.proxies.publish([record])
            self.proxies.set_mode(record.id, mode)

    def published(self, proxy_id: str) -> bool:
        """Whether Redis knows a proxy, whatever the inventory says."""
        return self.proxies.knows(proxy_id)

    def remove(self, proxy_id: str) -> None:
        """Forget a proxy: at once, or in Redis once no session is bound to it."""
        self.proxies.set_mode(proxy_id, "removed")
        tables.remove(self.engine, self.name, [proxy_id])

    def status(self, records: Sequence[ProxyRecord]) -> list[ProxyStatus]:
        return self.proxies.status(records)

    # --- beyond one proxy -------------------------------------------------------

    def events(self, session_id: str) -> list[dict[str, str]]:
        """What befell a session lately, the newest first; ``at`` is in Unix ms.

        From Redis, and from SQL what Redis has no more.
        """
        return self._trail.of(session_id)

    def ended(self, session_id: str) -> Ended | None:
        """How a session ended last, as far as it is in SQL."""
        return self._trail.ended(session_id)

    @cached_property
    def _trail(self) -> Trail:
        store = open_store(session_redis(self.config), self.name, self.config)
        return Trail(self.name, store, self.engine, Names.of(self.config))

    def others(self) -> list[str]:
        """The names of the pools that exist."""
        found = pool_names(session_redis(self.config))
        return sorted({*found, *tables.pools(self.engine)} - {self.name})
