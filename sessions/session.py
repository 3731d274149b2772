"""What the session engine hands out, and what it is told."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from limpet.errors import InvalidPolicy
from limpet.settings import Settings
from proxies import Proxy
from sessions.state import SessionState

#: A year.
LONGEST: Final = 31_536_000
MOST: Final = 10**9
MOST_LEASES: Final = 1000


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
class Expired:
    """What one step of the clean-up did; *more* says that work is left.

    Sessions are removed since they were *idle*, or too *old*. Those that are *stuck*
    have records that cannot be read; they are looked at again in an hour.
    """

    idle: int = 0
    old: int = 0
    leases: int = 0
    stuck: tuple[str, ...] = ()
    more: bool = False

    @property
    def sessions(self) -> int:
        return self.idle + self.old

    def then(self, other: "Expired") -> "Expired":
        """Return what both steps did, of which *other* is the later one."""
        return Expired(
            self.idle + other.idle,
            self.old + other.old,
            self.leases + other.leases,
            self.stuck + other.stuck,
            other.more,
        )


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of some sessions of a proxy.

    Those *used* now move at their next use; those *stuck* are hard, or there is no
    other proxy for them.
    """

    moved: int
    used: int
    stuck: int
