"""Snapshots taken: one bounded look at each pool, appended to its live stream."""

from collections.abc import Mapping
from typing import Final

from history.figures import PoolFigures, SystemFigures
from history.store import HistoryStore, snapshots_of
from history.totals import Counts
from limpet.upkeep import Record
from proxies import ProxyPool
from sessions import SessionManager

#: Usable and cooling proxies that a snapshot looks at, of each: all of most pools. It
#: costs the server about 2 ms, in commands of 2 µs between which others are served.
SAMPLE: Final = 1000


class Snapshots:
    """Takes them; raises `StoreUnavailable` when Redis does not do its work."""

    def __init__(self, store: HistoryStore) -> None:
        self._store = store

    def take(
        self, sessions: SessionManager, proxies: ProxyPool, modes: Mapping[str, int]
    ) -> PoolFigures:
        """Look at a pool; *modes* counts its proxies that are told to rest, by mode."""
        figures = PoolFigures.of(sessions.stats(), proxies.census(SAMPLE), modes)
        self._store.add(snapshots_of(sessions.pool), figures.dump())
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
