"""Snapshots taken: one bounded look at each pool, appended to its live stream."""

from collections.abc import Mapping
from typing import Final

import structlog

from history.figures import PoolFigures, SystemFigures
from history.store import HistoryStore, snapshots_of
from history.totals import Counts
from limpet.upkeep import Record
from proxies import ProxyPool
from proxies.census import Census
from sessions import PoolStats, SessionManager

#: Usable and cooling proxies that a snapshot looks at, of each: all of most pools. It
#: costs the server about 2 ms, in commands of 2 µs between which others are served.
SAMPLE: Final = 1000
#: Counts that one line of the log names.
_TOLD: Final = 10

log = structlog.get_logger(__name__)


class Snapshots:
    """Takes them; raises `StoreUnavailable` when Redis does not do its work."""

    def __init__(self, store: HistoryStore) -> None:
        self._store = store
        #: Things that could not be read, which count as nothing.
        self.damaged = 0

    def take(
        self, sessions: SessionManager, proxies: ProxyPool, modes: Mapping[str, int]
    ) -> PoolFigures:
        """Look at a pool; *modes* counts its proxies that are told to rest, by mode."""
        stream = snapshots_of(sessions.pool)
        first = self._store.newest(stream) is None
        stats, census = sessions.stats(), proxies.census(SAMPLE)
        self._tell(stats, census)
        figures = PoolFigures.of(stats, census, modes, first=first)
        self._store.add(stream, figures.dump())
        return figures

    def take_system(self, queues: Counts, cleanup: Record) -> SystemFigures:
        """Look at what all pools share; *queues* says how many jobs wait in each."""
        now = self._store.now_ms()
        figures = SystemFigures.of(now, self._store.memory(), queues, cleanup)
        self._store.add(snapshots_of(None), figures.dump())
        return figures

    def age(self, pool: str | None) -> float | None:
        """Return how many seconds old the last snapshot of *pool* is, or of all.

        `None` before the first.
        """
        last = self._store.newest(snapshots_of(pool))
        if last is None:
            return None
        return (self._store.now_ms() - int(last[0].partition("-")[0])) / 1000

    def _tell(self, stats: PoolStats, census: Census) -> None:
        damaged = len(stats.damaged) + census.damaged
        if damaged:
            self.damaged += damaged
            log.error(
                "figures_damaged",
                pool=stats.pool,
                counts=stats.damaged[:_TOLD],
                proxies=census.damaged,
            )
