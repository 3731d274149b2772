"""What a pool has counted, and the difference between two such counts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Annotated, Any, Final, Self

from pydantic import Field

from sessions import PoolStats
from sessions.stats import TIME_BUCKETS

#: Lifetimes are counted by powers of two of seconds; a year is less than the last.
LIFE_BUCKETS: Final = range(26)
_CLOSED: Final = "closed_"

#: No count of ours is larger, and SQL holds it.
Count = Annotated[int, Field(ge=0, le=2**53)]
#: How many, by name; the names of buckets are numbers, as JSON wants them.
Counts = dict[str, Count]


@dataclass(frozen=True, slots=True)
class Spread:
    """How values are spread: how many, their mean, and what 50, 95, 99 % stay under.

    They are read off the buckets that the engine counts in, straight between their
    bounds: of response times these lie a third to a half apart.
    """

    count: int = 0
    mean: float = 0.0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0


@dataclass(frozen=True, slots=True)
class Totals:
    """What a pool has counted, since it began or within some time.

    *requests* are those that were begun, *responses* those that were answered, by the
    upper bound of their time in ms; *renders* are pages in a browser, likewise.
    *lifetimes* are of named sessions that ended: by n,
    those of less than 2ⁿ seconds; together *lifetime_ms*.
    """

    created: Count = 0
    requests: Count = 0
    failovers: Count = 0
    faults: Count = 0
    bans: Count = 0
    lost_leases: Count = 0
    stale_releases: Count = 0
    busy: Count = 0
    no_proxy: Count = 0
    lifetime_ms: Count = 0
    closed: Counts = field(default_factory=dict)
    responses: Counts = field(default_factory=dict)
    lifetimes: Counts = field(default_factory=dict)
    renders: Counts = field(default_factory=dict)

    @classmethod
    def of(cls, stats: PoolStats) -> Self:
        """Return what *stats* say since the pool began."""
        counted = stats.counters
        return cls(
            created=counted.get("created", 0),
            requests=counted.get("acquired", 0),
            failovers=counted.get("failovers", 0),
            faults=counted.get("faults", 0),
            bans=counted.get("bans", 0),
            lost_leases=counted.get("lost_leases", 0),
            stale_releases=counted.get("stale", 0),
            busy=counted.get("busy", 0),
            no_proxy=counted.get("no_proxy", 0),
            lifetime_ms=stats.lived_ms,
            closed={
                name.removeprefix(_CLOSED): number
                for name, number in sorted(counted.items())
                if name.startswith(_CLOSED)
            },
            responses=_named(stats.times),
            lifetimes=_named(stats.lifetimes),
            renders=_named(stats.renders),
        )

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Self:
        """Return what `asdict` made; what an older version did not count is 0."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in found.items() if name in known})

    @property
    def ended(self) -> int:
        """Sessions that ended, for whatever reason."""
        return sum(self.closed.values())

    @property
    def response(self) -> Spread:
        """Response times in ms.

        The mean takes each for the middle of its bucket: adding them up would cost
        every request one more write.
        """
        return _times(self.responses)

    @property
    def render(self) -> Spread:
        """Times of pages in a browser in ms; the mean is likewise."""
        return _times(self.renders)

    @property
    def lifetime(self) -> Spread:
        """How long sessions lived, in seconds; the mean is exact."""
        bounds = [(str(n), float(2**n)) for n in LIFE_BUCKETS]
        return _spread(self.lifetimes, self.lifetime_ms / 1000, bounds)

    def since(self, before: "Totals") -> "Totals":
        """Return what was counted after *before*.

        A count that is smaller than it was has begun anew, since Redis lost it: then
        all of it came after. So does Prometheus' ``increase()``.
        """
        then, now = asdict(before), asdict(self)
        return Totals.read({name: _after(now[name], then[name]) for name in now})

    def __add__(self, other: "Totals") -> "Totals":
        ours, theirs = asdict(self), asdict(other)
        return Totals.read({name: _sum(ours[name], theirs[name]) for name in ours})


def _after(now: Any, then: Any) -> Any:
    if isinstance(now, dict):
        changed = {name: _after(now[name], then.get(name, 0)) for name in now}
        return {name: number for name, number in changed.items() if number}
    return now - then if now >= then else now


def _sum(one: Any, other: Any) -> Any:
    if isinstance(one, dict):
        names = sorted({*one, *other})
        return {name: one.get(name, 0) + other.get(name, 0) for name in names}
    return one + other


def _named(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(bound): counts[bound] for bound in sorted(counts)}


def _times(counts: Counts) -> Spread:
    bounds = [(str(bound), float(bound)) for bound in TIME_BUCKETS]
    below = [0.0, *(bound for _, bound in bounds)]
    together = sum(
        counts.get(name, 0) * (low + high) / 2
        for low, (name, high) in zip(below, bounds, strict=False)
    )
    return _spread(counts, together, bounds)


def _spread(
    counts: Counts, together: float, bounds: Sequence[tuple[str, float]]
) -> Spread:
    number = sum(counts.values())
    if not number:
        return Spread()
    shares = (_under(counts, bounds, share * number) for share in (0.5, 0.95, 0.99))
    return Spread(number, round(together / number, 1), *shares)


def _under(counts: Counts, bounds: Sequence[tuple[str, float]], rank: float) -> float:
    below, seen = 0.0, 0
    for name, bound in bounds:
        count = counts.get(name, 0)
        if count and seen + count >= rank:
            return round(below + (bound - below) * max(0.0, rank - seen) / count, 1)
        below, seen = bound, seen + count
    return below
