"""What a pool holds, counted."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

from limpet.connection import as_text

#: Upper bounds of the buckets that response times are counted in, in milliseconds.
TIME_BUCKETS: Final = (
    *(5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000),
    *(3000, 5000, 7500, 10_000, 15_000, 20_000, 30_000, 60_000, 600_000),
)
#: No count of ours is larger; a database could not hold it.
_MOST: Final = 2**53
#: What a field of ours is called.
_OURS: Final = re.compile(r"[a-z0-9_]{1,40}")
#: Among the powers: the sum of all lifetimes.
_SUM: Final = -1

T = TypeVar("T", str, int)


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What a pool holds; *counters*, *times*, *lifetimes* are since the pool began.

    *renders* are times of pages in a browser, as *times* are of requests. *lifetimes*
    are of named sessions that have ended: n → those that lived for less than 2ⁿ
    seconds; together *lived_ms*. What cannot be read, since something else has written
    to it, counts as 0 and is named by *damaged*: ``n created``, a key and a field.
    """

    pool: str
    at_ms: int
    sessions: int
    expired_waiting: int
    leases: int
    warm: int
    proxies_up: int
    proxies_cooling: int
    counters: dict[str, int]
    times: dict[int, int]
    renders: dict[int, int]
    lifetimes: dict[int, int]
    lived_ms: int
    damaged: tuple[str, ...] = ()

    @classmethod
    def read(cls, pool: str, reply: Sequence[Any]) -> Self:
        """Read what ``lua/stats.lua`` returns."""
        *numbers, at_ms, counters, times, lives, pages, broken = reply
        sessions, expired, leases, warm, usable, cooling = numbers
        damaged = {as_text(key).rpartition(":")[2] for key in broken}
        totals = _counts("n", counters, str, damaged)
        spread = _counts("h", times, int, damaged)
        lifetimes = _counts("hl", lives, _power, damaged)
        # Each lease is one of these; to count it when it begins would cost everybody.
        ended = totals.pop("unmeasured", 0) + totals.get("lost_leases", 0)
        totals["acquired"] = leases + ended + sum(spread.values())
        return cls(
            pool=pool,
            at_ms=at_ms,
            sessions=sessions,
            expired_waiting=expired,
            leases=leases,
            warm=warm,
            proxies_up=usable,
            proxies_cooling=cooling,
            counters=totals,
            times=spread,
            renders=_counts("hr", pages, int, damaged),
            lived_ms=lifetimes.pop(_SUM, 0),
            lifetimes=lifetimes,
            damaged=tuple(sorted(damaged)),
        )

    @classmethod
    def together(cls, pool: str, parts: Sequence[Self], *, direct: bool) -> Self:
        """Add up what the shards of *pool* hold; a *direct* one has one proxy."""
        proxies = max if direct else sum
        return cls(
            pool=pool,
            at_ms=max(one.at_ms for one in parts),
            sessions=sum(one.sessions for one in parts),
            expired_waiting=sum(one.expired_waiting for one in parts),
            leases=sum(one.leases for one in parts),
            warm=sum(one.warm for one in parts),
            proxies_up=proxies(one.proxies_up for one in parts),
            proxies_cooling=proxies(one.proxies_cooling for one in parts),
            counters=_added(one.counters for one in parts),
            times=_added(one.times for one in parts),
            renders=_added(one.renders for one in parts),
            lifetimes=_added(one.lifetimes for one in parts),
            lived_ms=sum(one.lived_ms for one in parts),
            damaged=tuple(sorted({name for one in parts for name in one.damaged})),
        )

    def response_ms(self, share: float) -> float:
        """The response time that *share* (0 to 1) of all requests stayed under."""
        return quantile(self.times, share)

    def render_ms(self, share: float) -> float:
        """The same of pages in a browser."""
        return quantile(self.renders, share)


def quantile(times: Mapping[int, int], share: float) -> float:
    """Return the time in ms that *share* (0 to 1) of all stayed under.

    Read off the buckets, straight between their bounds; 0.0 before the first.
    """
    rank = share * sum(times.values())
    below, seen = 0, 0
    for bound in TIME_BUCKETS:
        count = times.get(bound, 0)
        if count and seen + count >= rank:
            return round(below + (bound - below) * max(0.0, rank - seen) / count, 1)
        below, seen = bound, seen + count
    return 0.0


def _counts(
    key: str, flat: Sequence[bytes], named: Callable[[str], T], damaged: set[str]
) -> dict[T, int]:
    """Read a hash of counts; what is none of ours is put into *damaged*."""
    found = {}
    for raw, value in zip(flat[::2], flat[1::2], strict=True):
        name = as_text(raw)
        try:
            bucket, count = named(name), int(value)
        except ValueError:
            bucket, count = named("0"), -1
        if 0 <= count <= _MOST:
            found[bucket] = count
        else:
            # Any other name may be anything: it goes to pages that anybody may see.
            damaged.add(f"{key} {name if _OURS.fullmatch(name) else '?'}")
    return found


def _added(parts: Iterable[Mapping[T, int]]) -> dict[T, int]:
    """Add up counts by name."""
    total: dict[T, int] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total


def _power(name: str) -> int:
    return _SUM if name == "sum" else int(name)
