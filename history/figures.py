"""One look at a pool, and at what all pools share."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from history.totals import Counts, Totals
from limpet.upkeep import Record
from proxies.census import Census
from sessions import PoolStats


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """What one pool held at one moment, *at_ms* by the clock of Redis.

    *leased* is leases, *warm* sessions that may be borrowed. *proxies* counts them by
    state, and by mode those that may not be chosen. How sessions are spread over the
    proxies that may be chosen: fewest, most and mean on one, and *skew*, the most in
    times of the mean (1.0 is even). Of a pool with more than `SAMPLE` proxies these
    are of a sample: *looked_at* says how many were looked at.
    """

    pool: str
    at_ms: int
    active: int
    expired_waiting: int
    leased: int
    warm: int
    proxies_up: int
    proxies_cooling: int
    proxies: Counts
    looked_at: int
    sessions_min: int
    sessions_max: int
    sessions_mean: float
    sessions_skew: float
    totals: Totals

    @classmethod
    def of(cls, stats: PoolStats, census: Census, modes: Mapping[str, int]) -> Self:
        """Put together what the engine counts, its proxies, and those told to rest."""
        return cls(
            pool=stats.pool,
            at_ms=stats.at_ms,
            active=stats.sessions - stats.expired_waiting,
            expired_waiting=stats.expired_waiting,
            leased=stats.leases,
            warm=stats.warm,
            proxies_up=stats.proxies_up,
            proxies_cooling=stats.proxies_cooling,
            proxies={**census.states, **modes},
            looked_at=census.looked_at,
            sessions_min=census.sessions_min,
            sessions_max=census.sessions_max,
            sessions_mean=census.sessions_mean,
            sessions_skew=census.sessions_skew,
            totals=Totals.of(stats),
        )

    @classmethod
    def read(cls, text: str, at_ms: int) -> Self:
        """Read what `dump` wrote; *at_ms* is when the stream took it."""
        found = json.loads(text)
        totals = Totals.read(found["totals"])
        return cls(**{**found, "at_ms": at_ms, "totals": totals})

    def dump(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class SystemFigures:
    """What all pools share, at one moment.

    *memory_bytes* is what the session Redis uses, *memory_limit_bytes* its
    ``maxmemory``, 0 for none; *queues* the jobs that wait in each, empty when the
    broker did not say. Of the clean-up: its runs, those that failed, the share of the
    last 100 that did, when the last one went well (Unix ms, 0 for never), and how many
    sessions that one removed.
    """

    at_ms: int
    memory_bytes: int
    memory_limit_bytes: int
    queues: Counts = field(default_factory=dict)
    cleanup_runs: int = 0
    cleanup_failures: int = 0
    cleanup_failure_rate: float = 0.0
    cleanup_last_ok_ms: int = 0
    cleanup_last_removed: int = 0

    @classmethod
    def of(
        cls, at_ms: int, memory: tuple[int, int], queues: Counts, cleanup: Record
    ) -> Self:
        removed = cleanup.result.get("sessions", cleanup.result.get("removed", 0))
        return cls(
            at_ms=at_ms,
            memory_bytes=memory[0],
            memory_limit_bytes=memory[1],
            queues=queues,
            cleanup_runs=cleanup.runs,
            cleanup_failures=cleanup.failures,
            cleanup_failure_rate=round(cleanup.failure_rate, 4),
            cleanup_last_ok_ms=round(cleanup.last_ok * 1000),
            cleanup_last_removed=removed if isinstance(removed, int) else 0,
        )

    @classmethod
    def read(cls, text: str, at_ms: int) -> Self:
        """Read what `dump` wrote; *at_ms* is when the stream took it."""
        found: dict[str, Any] = json.loads(text)
        return cls(**{**found, "at_ms": at_ms})

    def dump(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))
