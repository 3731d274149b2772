"""What the session engine hands out, and what it is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Self

from limpet.errors import InvalidPolicy
from limpet.settings import Settings
from proxies import Proxy
from sessions.state import SessionState
from sessions.stats import quantile

#: A year.
LONGEST: Final = 31_536_000
MOST: Final = 10**9
MOST_LEASES: Final = 1000
#: Fields of a session's hash that `SessionInfo` is read from; see `limpet.keys`.
FIELDS: Final = tuple("pdxnatmgvofubeqzywhrc")
#: Those that every session has.
_NOTHING: Final = {"p": "", "x": "0", "a": "0", "m": "0"}


class Sticky(StrEnum):
    """What happens when a session's proxy will not do."""

    #: It moves to another proxy, at most so often an hour.
    SOFT = "soft"
    #: It waits for its proxy, and ends with it.
    HARD = "hard"


class Reason(StrEnum):
    """Why a session has ended."""

    IDLE = "idle"
    MAX_AGE = "max_age"
    MAX_REQUESTS = "max_requests"
    BLOCKED = "blocked"
    ERRORS = "errors"
    PROXY_LOST = "proxy_lost"
    EVICTED = "evicted"
    CLOSED = "closed"


class Full(StrEnum):
    """What happens when a pool that has all its sessions is asked for a new one."""

    REFUSE = "refuse"
    #: The one that would expire first, of those that nobody uses, makes room.
    EVICT = "evict"


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How a new session lives; times in seconds. It keeps what it was created with.

    *auto_renew*: its idle time starts anew with each use. *max_requests*: it ends after
    so many, 0 for never. *max_leases*: so many requests of it at a time; with more than
    one its state is fenced by its version. *min_delay*: between two of its requests.
    *keep_state*: it takes its cookies along when it moves. *max_rebinds*: within an
    hour. *max_sessions*: of its pool, 0 for any number. *pooled*: it may be borrowed.
    """

    idle_ttl: float = 1800
    max_age: float = 86_400
    auto_renew: bool = True
    max_requests: int = 0
    max_leases: int = 1
    min_delay: float = 0
    sticky: Sticky = Sticky.SOFT
    keep_state: bool = True
    max_rebinds: int = 3
    max_sessions: int = 0
    full: Full = Full.REFUSE
    pooled: bool = False
    #: The policy as the scripts take it, made once: each acquire sends it.
    packed: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("idle_ttl", "max_age"):
            if not 0 < getattr(self, name) <= LONGEST:
                raise InvalidPolicy(name, f"seconds from above 0 to {LONGEST:,}")
        if not 0 <= self.min_delay <= LONGEST:
            raise InvalidPolicy("min_delay", f"seconds from 0 to {LONGEST:,}")
        if not 1 <= self.max_leases <= MOST_LEASES:
            raise InvalidPolicy("max_leases", f"a number from 1 to {MOST_LEASES}")
        for name in ("max_requests", "max_rebinds", "max_sessions"):
            if not 0 <= getattr(self, name) <= MOST:
                raise InvalidPolicy(name, f"a number from 0 to {MOST:,}")
        object.__setattr__(self, "packed", self._pack())

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            idle_ttl=settings.session_timeout_minutes * 60,
            max_age=settings.session_max_age_minutes * 60,
            max_rebinds=settings.session_max_rebinds_per_hour,
            max_sessions=settings.pool_max_sessions,
            full=Full(settings.pool_when_full),
        )

    def _pack(self) -> str:
        """See ``sessions/lua/_session.lua``."""
        flags = (
            ("h" if self.sticky is Sticky.HARD else "s")
            + ("r" if self.auto_renew else "n")
            + ("k" if self.keep_state else "c")
            + ("p" if self.pooled else "-")
        )
        delay = round(self.min_delay * 1000)
        options = f"{flags}:{self.max_requests}:{self.max_leases}:{delay}"
        times = f"{round(self.idle_ttl * 1000)} {round(self.max_age * 1000)}"
        return f"{times} {self.max_sessions} {self.full} {self.max_rebinds} {options}"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to use one session until it is released.

    *generation* counts the proxies that the session has been bound to, this one
    included. *incarnation* is the fencing number: it grows whenever a lease is taken
    from a dead holder. *moved* says that this acquire changed the proxy. *shared* says
    that others may hold the session too.
    """

    pool: str
    session: str
    token: str
    proxy: Proxy
    generation: int
    incarnation: int
    state: SessionState
    temporary: bool
    shared: bool
    created: bool
    moved: bool


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session as it is now; times are Unix seconds, 0 for none.

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
        except (ValueError, IndexError, OverflowError):
            return replace(cls._read(pool, session, _NOTHING), damaged=True)

    @classmethod
    def _read(cls, pool: str, session: str, row: dict[str, str]) -> Self:
        if not row.keys() >= _NOTHING.keys():
            raise ValueError

        def at(name: str) -> float:
            return int(float(row.get(name, 0))) / 1000

        def count(name: str, absent: int = 0) -> int:
            return int(row.get(name, absent))

        flags, most, leases, _ = (row.get("o") or "srk-:0:1:0").split(":")
        leased = at("d") > 0
        measured = count("z")
        return cls(
            pool=pool,
            session=session,
            proxy=row.get("p", ""),
            generation=count("g", 1),
            created=at("a") - at("m"),
            expires=at("x"),
            max_age_at=at("a"),
            idle_ttl=at("t"),
            requests=count("n"),
            leases=count("f", int(leased)),
            lease_until=at("d"),
            next_use=at("u"),
            rebinds=int(row.get("b", "0:0").split(":")[1]),
            errors=float(row.get("e", 0)),
            sticky=Sticky.HARD if flags[0] == "h" else Sticky.SOFT,
            max_requests=int(most),
            max_leases=int(leases),
            pooled=flags[3] == "p",
            state_version=count("v"),
            measured=measured,
            mean_ms=round(int(row.get("q", 0)) / measured, 1) if measured else 0.0,
            bytes=count("y"),
            last_url=row.get("w", ""),
            renders=_spread(row.get("h", "")),
            render_mean_ms=round(count("r") / count("c"), 1) if count("c") else 0.0,
        )


def _spread(text: str) -> dict[int, int]:
    """Read ``bound:count bound:count``."""
    pairs = (one.partition(":") for one in text.split())
    return {int(bound): int(number) for bound, _, number in pairs}


@dataclass(frozen=True, slots=True)
class Search:
    """Sessions that were found; there may be more unless they are *complete*.

    *cursor* is where to go on, 0 if there is no use in that.
    """

    infos: Sequence[SessionInfo]
    complete: bool
    cursor: int


@dataclass(frozen=True, slots=True)
class Expired:
    """What one step of the clean-up did; *more* says that work is left.

    Sessions are removed since they were *idle*, or too *old*. Those that are *stuck*
    have records that cannot be read; they are looked at again in an hour.
    """

    idle: int
    old: int
    leases: int
    stuck: tuple[str, ...]
    more: bool

    @property
    def sessions(self) -> int:
        return self.idle + self.old


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of some sessions of a proxy.

    Those *used* now move at their next use; those *stuck* are hard, or there is no
    other proxy for them.
    """

    moved: int
    used: int
    stuck: int
