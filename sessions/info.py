"""Sessions as they are looked at: what is read of a record, and many of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, Self

from sessions.session import Sticky
from sessions.stats import quantile

#: Those that every session has.
_NOTHING: Final = {"p": "", "x": "0", "a": "0", "m": "0"}
#: The options of one that has none of its own; see `SessionPolicy`.
_PLAIN: Final = "srk-:0:1:0"


class SessionInfo(NamedTuple):
    """A session as it is now; times are Unix seconds, 0 for none.

    A tuple, since pages make many: a frozen dataclass takes three times as long.

    *errors* is the score at whose limit the session ends; *mean_ms* is over the
    *measured* requests; *last_url* has no query. *renders* are pages in a browser, by
    the bounds of their times in ms; *render_mean_ms* is what they took. Of a *damaged*
    record nothing is known but its name: a program that is not ours wrote into it.
    """

    pool: str
    session: str
    proxy: str
    generation: int
    created: float
    expires: float
    max_age_at: float
    idle_ttl: float
    requests: int
    leases: int
    lease_until: float
    next_use: float
    rebinds: int
    errors: float
    sticky: Sticky
    max_requests: int
    max_leases: int
    pooled: bool
    state_version: int
    measured: int
    mean_ms: float
    bytes: int
    last_url: str
    renders: dict[int, int]
    render_mean_ms: float
    damaged: bool = False

    @property
    def rendered(self) -> int:
        """How many pages a browser has made for it."""
        return sum(self.renders.values())

    def render_ms(self, share: float) -> float:
        """The time that *share* (0 to 1) of its pages in a browser stayed under."""
        return quantile(self.renders, share)

    @classmethod
    def read(cls, pool: str, session: str, row: dict[str, str]) -> Self:
        """Read the fields of a session's hash; see `limpet.keys`."""
        try:
            return cls._read(pool, session, row)
        except (ValueError, LookupError, OverflowError):
            return cls._read(pool, session, _NOTHING)._replace(damaged=True)

    @classmethod
    def _read(cls, pool: str, session: str, row: dict[str, str]) -> Self:
        get = row.get
        end, own = _seconds(row["a"]), _options(get("o") or _PLAIN)
        lease_until = _seconds(row["d"]) if "d" in row else 0.0
        measured, rendered = int(get("z", 0)), int(get("c", 0))
        # In the order of the fields: by their names it takes a third longer.
        return cls(
            pool,
            session,
            row["p"],
            int(get("g", 1)),
            end - _seconds(row["m"]),
            _seconds(row["x"]),
            end,
            _seconds(row["t"]) if "t" in row else 0.0,
            int(get("n", 0)),
            int(row["f"]) if "f" in row else int(lease_until > 0),
            lease_until,
            _seconds(row["u"]) if "u" in row else 0.0,
            int(row["b"].split(":")[1]) if "b" in row else 0,
            float(get("e", 0)),
            own.sticky,
            own.max_requests,
            own.max_leases,
            own.pooled,
            int(get("v", 0)),
            measured,
            round(int(get("q", 0)) / measured, 1) if measured else 0.0,
            int(get("y", 0)),
            get("w", ""),
            _spread(row["h"]) if "h" in row else {},
            round(int(get("r", 0)) / rendered, 1) if rendered else 0.0,
        )


class _Options(NamedTuple):
    """What a session's policy says of it for as long as it lives."""

    sticky: Sticky
    pooled: bool
    max_requests: int
    max_leases: int


@lru_cache(maxsize=256)
def _options(packed: str) -> _Options:
    """Read what `SessionPolicy` has packed."""
    flags, most, leases, _ = packed.split(":")
    sticky = Sticky.HARD if flags[0] == "h" else Sticky.SOFT
    return _Options(sticky, flags[3] == "p", int(most), int(leases))


def _seconds(ms: str) -> float:
    try:
        return int(ms) / 1000
    except ValueError:  # a fraction
        return int(float(ms)) / 1000


def _spread(text: str) -> dict[int, int]:
    """Read ``bound:count bound:count``."""
    pairs = (one.partition(":") for one in text.split())
    return {int(bound): int(number) for bound, _, number in pairs}


@dataclass(frozen=True, slots=True)
class Listing:
    """Some sessions, and how many there are at that moment (*at*, in Unix seconds).

    Of all *sessions*, the time of *waiting* is over; *leases* are requests under way.
    """

    sessions: int
    waiting: int
    leases: int
    at: float
    infos: Sequence[SessionInfo]


@dataclass(frozen=True, slots=True)
class Search:
    """Sessions that were found; there may be more unless they are *complete*.

    *cursor* is where to go on, 0 if there is no use in that.
    """

    infos: Sequence[SessionInfo]
    complete: bool
    cursor: int
