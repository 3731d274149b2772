"""What cards and charts are made of, read once for all who look."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from history.point import Point
from history.query import History, Span

#: Seconds for which figures are good enough: snapshots come once a minute, and to sum
#: up an hour of them takes about 40 ms.
_FRESH: Final = 5.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The *points* of a span, the last *hour* in one, and the last *minute*."""

    points: Sequence[Point]
    hour: Point | None
    minute: Point | None


class FigureReader:
    """Keeps figures for a few seconds, of each pool and span."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, Span], tuple[float, Figures]] = {}

    def read(self, history: History, pool: str, span: Span) -> Figures:
        """Return the figures, as of at most five seconds ago.

        Raises:
            StoreUnavailable: a store is away; that is not kept.
        """
        until, held = self._held.get((pool, span), (0.0, None))
        if held is not None and time.monotonic() < until:
            return held
        points = history.pool(pool, span)
        minutes = points if span is Span.HOUR else history.pool(pool, Span.HOUR)
        found = Figures(points, history.hour(pool), minutes[-1] if minutes else None)
        self._held[pool, span] = (time.monotonic() + _FRESH, found)
        return found
