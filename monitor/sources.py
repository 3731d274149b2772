"""What our pages are made from."""

import time
from collections.abc import Mapping
from functools import cached_property
from threading import Lock
from typing import Final

from celery import Celery

from beat_schedule import ENTRIES
from health.question import Question, answered
from history.names import Names
from history.query import History
from history.store import HistoryStore
from history.trail import Trail
from limpet import database, schema
from limpet.connection import impatient_redis
from limpet.errors import ConfigurationError, StoreUnavailable
from limpet.names import PROBE_PROXY
from limpet.sealing import Sealer
from limpet.settings import Settings
from limpet.upkeep import Beat, Row, UpkeepStore, overview
from monitor.broker import send
from monitor.figures import FigureReader
from monitor.reader import Reader
from proxies import DIRECT, ProxyPool, ProxyRecord, tables
from sessions import SessionManager, open_pool, open_proxies, open_store
from sessions.store import SessionStore, pool_names

#: Audit events looked through for those of one proxy: one reply of about 0.1 MB.
_EVENTS: Final = 1000


class Sources:
    """The stores, as pages ask them: once, and not for long.

    Methods block, and are for `reader`; they raise `StoreUnavailable`. Clients are
    made by who asks first: that of a cluster talks to it at once.
    """

    def __init__(self, settings: Settings, app: Celery) -> None:
        """*app* has the broker, for what a worker is to do."""
        self.settings = settings
        self._app = app
        self.reader = Reader(settings.health_timeout_seconds)
        # Pages that can do without SQL have the other half of their time for that.
        self._patience = settings.health_timeout_seconds / 2
        self._sql = Question(
            lambda: database.trouble(settings.sql_url, wanted=self._tables)
        )
        self.figures = FigureReader()
        self._lock = Lock()
        self._sessions: dict[str, SessionManager] = {}
        self._proxies: dict[str, ProxyPool] = {}

    def schedule(self) -> tuple[Beat, list[Row]]:
        """Return what is known of beat, and of each entry of the schedule."""
        store = UpkeepStore(impatient_redis(self.settings))
        return overview(ENTRIES, self.settings, store)

    def pools(self) -> list[str]:
        """Return the names of the pools that there are."""
        return pool_names(impatient_redis(self.settings))

    def knows(self, pool: str) -> bool:
        """Whether there is such a pool; asked only until it was opened."""
        return pool in self._sessions or pool in self.pools()

    def sessions(self, pool: str) -> SessionManager:
        """Return the sessions of a pool that there is."""
        with self._lock:
            if pool not in self._sessions:
                client = impatient_redis(self.settings)
                self._sessions[pool] = open_pool(client, pool, self.settings)
            return self._sessions[pool]

    def proxies(self, pool: str) -> ProxyPool:
        """Return the proxies of a pool that there is."""
        with self._lock:
            if pool not in self._proxies:
                client = impatient_redis(self.settings)
                self._proxies[pool] = open_proxies(client, pool, self.settings)
            return self._proxies[pool]

    def inventory(
        self, pool: str, *, start: int, most: int, search: str
    ) -> tuple[int, list[ProxyRecord]]:
        """Return how many proxies are on record, and some; see `tables.page`.

        Raises:
            ConfigurationError: a URL was sealed with a key that is not there.
        """
        if self.direct(pool):
            return 1, [DIRECT]
        with database.answering():
            return tables.page(
                database.engine(self.settings.sql_url),
                self.sealer,
                pool,
                start=start,
                most=most,
                search=search,
            )

    def record(self, pool: str, proxy_id: str) -> ProxyRecord | None:
        """Return what is on record of a proxy, `None` if there is none such."""
        if self.direct(pool):
            return DIRECT if proxy_id == DIRECT.id else None
        engine = database.engine(self.settings.sql_url)
        with database.answering():
            return tables.get(engine, self.sealer, pool, proxy_id)

    def modes(self, pool: str) -> dict[str, int]:
        """Count the proxies that are told to rest, by mode."""
        with database.answering():
            return tables.modes(database.engine(self.settings.sql_url), pool)

    def set_mode(self, pool: str, proxy_id: str, mode: str) -> None:
        """Say what may be done with a proxy: on record first, then in Redis.

        Raises:
            ConfigurationError: there is no such proxy.
            StoreUnavailable: the database, or Redis, is away.
        """
        record = self._recorded(pool, proxy_id)
        with database.answering():
            engine = database.engine(self.settings.sql_url)
            tables.set_mode(engine, pool, proxy_id, mode)
        proxies = self.proxies(pool)
        if not proxies.set_mode(proxy_id, mode):
            proxies.publish([record])
            proxies.set_mode(proxy_id, mode)

    def probe(self, pool: str, proxy_id: str) -> None:
        """Have a worker try a proxy.

        Raises:
            ConfigurationError: there is no such proxy, or nothing to be fetched.
            StoreUnavailable: the database, or the broker, is away.
        """
        if self.settings.probe_url is None:
            raise ConfigurationError("nothing can be fetched: set LIMPET_PROBE_URL")
        if self._recorded(pool, proxy_id).proxy.direct:
            raise ConfigurationError("the pool goes out without a proxy")
        timeout = self.settings.health_timeout_seconds
        send(self._app, timeout, PROBE_PROXY, pool=pool, proxy=proxy_id)

    def _recorded(self, pool: str, proxy_id: str) -> ProxyRecord:
        trouble = "" if self.direct(pool) else self.sql_trouble()
        if trouble:
            raise StoreUnavailable(trouble)
        record = self.record(pool, proxy_id)
        if record is None:
            raise ConfigurationError("there is no such proxy any more")
        return record

    def note(self, pool: str, action: str, said: Mapping[str, str]) -> None:
        """Write down in the audit what somebody did here."""
        shards = self.settings.shards
        store = HistoryStore(impatient_redis(self.settings), shards)
        store.note(pool, {"event": "action", "action": action, **said})

    def direct(self, pool: str) -> bool:
        """Whether the pool goes out without any proxy."""
        return pool in self.settings.direct_pools.split(",")

    def bans(self, pool: str, proxy_id: str) -> list[tuple[str, float]]:
        """Return the domains that block a proxy, and until when in Unix seconds."""
        return self.proxies(pool).bans(proxy_id)

    def proxy_events(self, pool: str, proxy_id: str) -> list[dict[str, str]]:
        """Return what befell a proxy lately, the newest first; ``at`` is in Unix ms."""
        found = self._store(pool).audit(_EVENTS)
        return [
            {**event, "at": key.partition("-")[0]}
            for key, event in found
            if event.get("proxy") == proxy_id and "session" not in event
        ]

    @cached_property
    def sealer(self) -> Sealer:
        return Sealer.of(self.settings)

    def history(self) -> History:
        """Return what there was. Without `sql_trouble` only its last hour is there."""
        store = HistoryStore(impatient_redis(self.settings))
        return History(store, database.engine(self.settings.sql_url))

    def sql_trouble(self) -> str:
        """Return why the database cannot be read, "" if it can."""
        try:
            return answered(self._sql.put(), time.monotonic() + self._patience)
        except TimeoutError:
            return "no answer from the database in time"

    def trail(self, pool: str) -> Trail:
        """Return what befell the sessions of a pool."""
        sql = self.settings.sql_url
        engine = None if self.sql_trouble() else database.engine(sql)
        return Trail(pool, self._store(pool), engine, Names.of(self.settings))

    def _store(self, pool: str) -> SessionStore:
        return open_store(impatient_redis(self.settings), pool, self.settings)

    @cached_property
    def _tables(self) -> str:
        return schema.newest()
