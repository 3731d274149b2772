"""What Redis has to say of how things are, and the alerts that it remembers."""

from collections.abc import Iterable
from itertools import chain
from typing import Final, cast

from redis import Redis

from beat_schedule import ENTRIES
from health.look import Look, PoolLook
from history.figures import PoolFigures
from history.store import HistoryStore, moment, snapshots_of
from limpet.connection import STORE_ERRORS, store_error
from limpet.keys import ALERT_OUTBOX, ALERTS, NO_POOL, Keys
from limpet.scripts import Script
from limpet.upkeep import UpkeepStore
from proxies import ProxyPool
from proxies.store import ProxyStore
from sessions import Cleaner, SessionManager
from sessions.store import SessionStore, pool_names

_TELL: Final = Script("health", "tell")
_EVENTS: Final = Keys(NO_POOL).audit


class HealthStore:
    """Reads that cost the same however large the pools are.

    Every method raises `StoreUnavailable` when Redis does not do its work.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._upkeep = UpkeepStore(client)
        self._history = HistoryStore(client)
        self._pools: dict[str, tuple[SessionManager, Cleaner]] = {}

    def look(self) -> Look:
        """Return how things are now: a few round trips, and two for each pool."""
        beat = self._upkeep.beat()
        return Look(
            at=beat.now,
            pools=tuple(map(self._pool, pool_names(self._client))),
            runs={one.task: self._upkeep.record(one.task) for one in ENTRIES},
            beat_at=beat.tick or None,
        )

    def _pool(self, name: str) -> PoolLook:
        manager, cleaner = self._opened(name)
        stats, memory = manager.stats(), cleaner.memory().total
        newest = self._history.newest(snapshots_of(name))
        if newest is None:
            return PoolLook(stats, memory, None, {})
        at_ms, _ = moment(newest[0])
        figures = PoolFigures.read(newest[1]["json"], at_ms)
        return PoolLook(stats, memory, at_ms / 1000, figures.proxies)

    def _opened(self, pool: str) -> tuple[SessionManager, Cleaner]:
        if pool not in self._pools:
            # Not `open_pool`, which makes a direct pool known: a look changes nothing.
            store = SessionStore(self._client, pool)
            proxies = ProxyPool(ProxyStore(self._client, pool))
            manager = SessionManager(pool, store, proxies)
            self._pools[pool] = manager, Cleaner(manager, store, lambda: False)
        return self._pools[pool]

    # --- alerts -----------------------------------------------------------------

    def tell(
        self, checks: Iterable[tuple[str, str, str]], *, after: float, most: int
    ) -> list[bytes]:
        """Remember each check (id, status, text); return what has changed by that."""
        arguments: list[str | int | float | bytes] = [
            round(after * 1000),
            most,
            *chain.from_iterable(checks),
        ]
        try:
            told = _TELL(self._client, [ALERTS, _EVENTS, ALERT_OUTBOX], arguments)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        assert isinstance(told, list)
        return told

    def unsent(self) -> list[bytes]:
        try:
            found = cast("list[bytes]", self._client.hvals(ALERT_OUTBOX))
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return found

    def sent(self, change: str) -> None:
        try:
            self._client.hdel(ALERT_OUTBOX, change)
        except STORE_ERRORS as error:
            raise store_error(error) from None
