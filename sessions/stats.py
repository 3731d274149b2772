"""What a pool holds, counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

#: Upper bounds of the buckets that response times are counted in, in milliseconds.
TIME_BUCKETS: Final = (
    *(5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000),
    *(3000, 5000, 7500, 10_000, 15_000, 20_000, 30_000, 60_000, 600_000),
)


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What a pool holds; *counters*, *times*, *lifetimes* are since the pool began.

    *lifetimes* are of named sessions that have ended: n → those that lived for less
    than 2ⁿ seconds; together *lived_ms*.
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
    lifetimes: dict[int, int]
    lived_ms: int

    @classmethod
    def read(cls, pool: str, reply: Sequence[Any]) -> Self:
        """Read what ``lua/stats.lua`` returns."""
        *numbers, at_ms, counters, times, lives = reply
        lifetimes = _counts(lives)
        sessions, expired, leases, warm, usable, cooling = numbers
        totals, spread = _counts(counters), _counts(times)
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
            times={int(bound): count for bound, count in spread.items()},
            lived_ms=lifetimes.pop("sum", 0),
            lifetimes={int(power): count for power, count in lifetimes.items()},
        )

    def response_ms(self, share: float) -> float:
        """The response time that *share* (0 to 1) of all requests stayed under.

        Read off the buckets, straight between their bounds; 0.0 before the first.
        """
        rank = share * sum(self.times.values())
        below, seen = 0, 0
        for bound in TIME_BUCKETS:
            count = self.times.get(bound, 0)
            if count and seen + count >= rank:
                return round(below + (bound - below) * max(0.0, rank - seen) / count, 1)
            below, seen = bound, seen + count
        return 0.0


def _counts(flat: Sequence[bytes]) -> dict[str, int]:
    names = [name.decode() for name in flat[::2]]
    return dict(zip(names, map(int, flat[1::2]), strict=True))
