"""What there was: points for charts, of the last hour, day or week."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Final, TypeVar

from sqlalchemy import Engine

from history.figures import (
    DamagedEntry,
    PoolFigures,
    SystemFigures,
    read_pool,
    read_system,
)
from history.point import Point
from history.rollup import HOUR_MS, rolled_up_to
from history.store import Entry, HistoryStore, snapshots_of
from history.tables import figures as tables

_MINUTE_MS: Final = 60_000
#: Milliseconds of a point of a day's chart: 288 of them.
_DAY_STEP_MS: Final = 5 * _MINUTE_MS
#: More than an hour of snapshots, even if one is taken each second.
_MOST: Final = 4000

T = TypeVar("T")


class Span(StrEnum):
    """How far a chart looks back."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def ms(self) -> int:
        hours = {Span.HOUR: 1, Span.DAY: 24, Span.WEEK: 7 * 24}
        return hours[self] * HOUR_MS


class History:
    """Reads what was kept. Methods raise `StoreUnavailable`.

    The last hour comes from the live stream, a point for each snapshot, and needs no
    SQL. A day has a point for each 5 minutes, made of the snapshots in SQL; a week one
    for each hour, from the sums, and one of the hour that is not over.
    """

    def __init__(self, store: HistoryStore, engine: Engine) -> None:
        self._store = store
        self._engine = engine

    def pool(self, pool: str, span: Span, *, after_ms: int = 0) -> list[Point]:
        """Return the points of *pool* that ended after *after_ms*, the oldest first.

        A page that has some already asks for what came *after* its last one.
        """
        now = self._store.now_ms()
        since = now - span.ms
        if span is Span.HOUR:
            points = _each(self._live(pool, since))
        elif span is Span.DAY:
            points = self._steps(pool, since, now, _DAY_STEP_MS)
        else:
            points = self._week(pool, since, now)
        return [one for one in points if one.at * 1000 > max(after_ms, since)]

    def hour(self, pool: str) -> Point | None:
        """Return the last hour as one point, `None` without a snapshot in it."""
        found = self._live(pool, self._store.now_ms() - Span.HOUR.ms)
        return Point.over(found, None) if found else None

    def latest(self, pool: str) -> PoolFigures | None:
        """Return the pool's last snapshot, `None` before the first."""
        found = self._store.newest(snapshots_of(pool))
        figures = _readable([found] if found else [], lambda one: read_pool(one, pool))
        return figures[0] if figures else None

    def system(self, span: Span, *, after_ms: int = 0) -> list[SystemFigures]:
        """Return what all pools shared, thinned out to the steps of `pool`'s points."""
        now = self._store.now_ms()
        since = max(after_ms + 1, now - span.ms)
        if span is Span.HOUR:
            found = self._store.between(snapshots_of(None), since, _MOST)
            return _readable(found, read_system)
        rows = tables.system_snapshots(self._engine, since_ms=since, until_ms=now + 1)
        step = _DAY_STEP_MS if span is Span.DAY else HOUR_MS
        last = {one.at_ms // step: one for one in rows}
        return list(last.values())

    def latest_system(self) -> SystemFigures | None:
        """Return the last snapshot of what all pools share, `None` before the first."""
        found = self._store.newest(snapshots_of(None))
        figures = _readable([found] if found else [], read_system)
        return figures[0] if figures else None

    def _live(self, pool: str, since: int) -> list[PoolFigures]:
        # One more minute: what the first point of the hour is counted from.
        found = self._store.between(snapshots_of(pool), since - 2 * _MINUTE_MS, _MOST)
        return _readable(found, lambda one: read_pool(one, pool))

    def _steps(self, pool: str, since: int, until: int, step: int) -> list[Point]:
        """Sum up what SQL holds by *step*, the last one as far as it has come."""
        start = since - since % step
        before = tables.last_before(self._engine, pool, start)
        rows = tables.snapshots(self._engine, pool, since_ms=start, until_ms=until + 1)
        points = []
        for some in _groups(rows, step):
            points.append(Point.over(some, before))
            before = some[-1]
        return points

    def _week(self, pool: str, since: int, now: int) -> list[Point]:
        over = tables.hours(self._engine, pool, since_ms=since)
        summed = rolled_up_to(self._engine, pool)
        return [*over, *self._steps(pool, max(summed, since), now, HOUR_MS)]


def _each(snapshots: Sequence[PoolFigures]) -> list[Point]:
    earlier = [None, *snapshots]
    return [
        Point.over([one], before)
        for one, before in zip(snapshots, earlier, strict=False)
    ]


def _groups(rows: Sequence[PoolFigures], step: int) -> list[list[PoolFigures]]:
    groups: dict[int, list[PoolFigures]] = {}
    for one in rows:
        groups.setdefault(one.at_ms // step, []).append(one)
    return list(groups.values())


def _readable(found: Sequence[Entry], read: Callable[[Entry], T]) -> list[T]:
    """Read entries, but for those that are damaged: the task that moves them tells."""
    figures = []
    for one in found:
        with suppress(DamagedEntry):
            figures.append(read(one))
    return figures
