"""A chart as SVG: lines, an area and bars, with nothing but Flower's own colours.

The picture is stretched to the width that there is, so its words stand beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from math import ceil, floor, log10
from typing import Final, Self

from history.point import Point
from history.query import Span

#: The picture's own size; a screen has any other.
WIDTH: Final = 1000
HEIGHT: Final = 100
#: More points than a laptop's screen can show in three columns each.
_MOST: Final = 240
#: Lines across, the one at the bottom not counted, and times below.
_LINES: Final = 4
_TIMES: Final = 4
#: A line ends where so many points are missing: nothing is known of that time.
_GAP: Final = 3.5
#: Heights of a bar: of the highest, and of the lowest that can be seen.
_BAR: Final = 30
_BAR_MIN: Final = 4
_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Column:
    """One point: where it is, and what is said of it."""

    x: float
    width: float
    bar: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Sessions, requests a minute and failovers of a pool.

    *active* and *requests* are paths, each in a scale of its own, and *area* is what is
    below the first. *levels* and *rates* are the words beside the lines across, on the
    left for sessions and on the right for requests, from the top; *times* those below.
    """

    active: str
    requests: str
    area: str
    columns: Sequence[Column]
    levels: Sequence[str]
    rates: Sequence[str]
    times: Sequence[str]
    summary: str

    @classmethod
    def of(cls, points: Sequence[Point], span: Span, now: float) -> Self | None:
        """Draw what there is of *span*, which ends *now*; `None` below two points."""
        steps = _thinned(points)
        if len(steps) < 2:  # noqa: PLR2004 - a line has two ends
            return None
        scale = _Scale.of(steps, span, now)
        active = [(one.at, one.active / scale.sessions) for one in steps]
        requests = [(one.at, one.requests / scale.rate) for one in steps]
        return cls(
            active=scale.path(active),
            requests=scale.path(requests),
            area=scale.area(active),
            columns=scale.columns(steps),
            levels=_levels(scale.sessions),
            rates=_levels(scale.rate),
            times=scale.times(span),
            summary=_summary(steps),
        )


@dataclass(frozen=True, slots=True)
class _Step:
    """Some points taken together; *requests* are those of a minute."""

    at: float
    active: float
    requests: float
    failovers: int


def _thinned(points: Sequence[Point]) -> list[_Step]:
    size = max(1, ceil(len(points) / _MOST))
    groups = (points[n : n + size] for n in range(0, len(points), size))
    return [_step(group) for group in groups]


def _step(points: Sequence[Point]) -> _Step:
    seconds = sum(one.seconds for one in points)
    requests = sum(one.requests for one in points)
    return _Step(
        at=points[-1].at,
        active=sum(one.active for one in points) / len(points),
        requests=requests * _MINUTE / seconds if seconds else 0.0,
        failovers=sum(one.failovers for one in points),
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """Turns times, and shares of the tops *sessions* and *rate*, into places."""

    start: float
    seconds: float
    sessions: float
    rate: float
    step: float
    failovers: int

    @classmethod
    def of(cls, steps: Sequence[_Step], span: Span, now: float) -> Self:
        apart = sorted(b.at - a.at for a, b in pairwise(steps))
        return cls(
            start=now - span.ms / 1000,
            seconds=span.ms / 1000,
            sessions=_round_up(max(one.active for one in steps)),
            rate=_round_up(max(one.requests for one in steps)),
            step=apart[len(apart) // 2],
            failovers=max(one.failovers for one in steps),
        )

    def x(self, at: float) -> float:
        share = (at - self.start) / self.seconds
        return round(WIDTH * min(1.0, max(0.0, share)), 1)

    def runs(
        self, points: Sequence[tuple[float, float]]
    ) -> list[list[tuple[float, float]]]:
        """Return the places of *points*, parted where some are missing."""
        runs: list[list[tuple[float, float]]] = []
        last = float("-inf")
        for at, share in points:
            if at - last > self.step * _GAP:
                runs.append([])
            runs[-1].append((self.x(at), round(HEIGHT * (1 - share), 2)))
            last = at
        return runs

    def path(self, points: Sequence[tuple[float, float]]) -> str:
        return "".join(f"M{_line(run)}" for run in self.runs(points))

    def area(self, points: Sequence[tuple[float, float]]) -> str:
        return "".join(
            f"M{run[0][0]:g} {HEIGHT}L{_line(run)}L{run[-1][0]:g} {HEIGHT}Z"
            for run in self.runs(points)
        )

    def columns(self, steps: Sequence[_Step]) -> list[Column]:
        width = WIDTH * self.step / self.seconds
        return [
            Column(
                x=round(self.x(one.at) - width / 2, 1),
                width=round(width, 1),
                bar=self._bar(one.failovers),
                text=_told(one),
            )
            for one in steps
        ]

    def _bar(self, failovers: int) -> float:
        if not failovers:
            return 0.0
        return round(max(_BAR_MIN, _BAR * failovers / self.failovers), 1)

    def times(self, span: Span) -> list[str]:
        style = "%d %b" if span is Span.WEEK else "%H:%M"
        moments = (self.start + self.seconds * n / _TIMES for n in range(_TIMES + 1))
        return [f"{datetime.fromtimestamp(one, UTC):{style}}" for one in moments]


def _levels(top: float) -> list[str]:
    return [f"{top * n / _LINES:,.10g}" for n in range(_LINES, -1, -1)]


def _line(run: Sequence[tuple[float, float]]) -> str:
    return "L".join(f"{x:g} {y:g}" for x, y in run)


def _round_up(value: float) -> float:
    """Return the next number above that four lines part into numbers for people."""
    if value <= _LINES:
        return float(_LINES)
    size = 10.0 ** floor(log10(value))
    return next(n * size for n in (1, 2, 4, 6, 8, 10) if n * size >= value)


def _told(step: _Step) -> str:
    when = f"{datetime.fromtimestamp(step.at, UTC):%d %b %H:%M} UTC"
    return (
        f"{when}: {step.active:,.0f} sessions, {step.requests:,.0f} requests a minute, "
        f"{step.failovers:,} failovers"
    )


def _summary(steps: Sequence[_Step]) -> str:
    most = max(one.active for one in steps)
    failovers = sum(one.failovers for one in steps)
    return (
        f"{steps[-1].active:,.0f} sessions at the end, {most:,.0f} at most; "
        f"{failovers:,} failovers"
    )
