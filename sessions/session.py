"""What the session engine hands out, and what it is told."""

from dataclasses import dataclass
from typing import Self

from limpet.settings import Settings
from proxies import Proxy
from sessions.state import SessionState


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How long sessions live and when a proxy is rested; times in seconds."""

    idle_ttl: float = 1800
    max_age: float = 86_400
    max_failures: int = 3
    cooldown: float = 30

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            idle_ttl=settings.session_timeout_minutes * 60,
            max_age=settings.session_max_age_minutes * 60,
            max_failures=settings.proxy_max_failures,
            cooldown=settings.proxy_cooldown_seconds,
        )


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to use one session until it is released.

    *generation* counts the proxies that the session has been bound to, this one
    included. *incarnation* is the fencing number: it grows whenever a lease is taken
    from a dead holder. *moved* says that this acquire changed the proxy.
    """

    pool: str
    session: str
    token: str
    proxy: Proxy
    generation: int
    incarnation: int
    state: SessionState
    temporary: bool
    created: bool
    moved: bool


@dataclass(frozen=True, slots=True)
class Expired:
    """What one step of the clean-up did; *more* says that work is left."""

    sessions: int
    leases: int
    proxies: int
    more: bool


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What a pool holds; *counters* are totals since the pool began."""

    pool: str
    at_ms: int
    sessions: int
    expired_waiting: int
    leases: int
    proxies_up: int
    proxies_cooling: int
    counters: dict[str, int]
