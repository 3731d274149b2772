"""One look at a pool, and at what all pools share."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Final, Self, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from history.store import LATEST, Entry, moment, storable
from history.totals import Count, Counts, Totals
from limpet.upkeep import Record
from proxies.census import Census
from sessions import PoolStats

#: The most that a column of SQL holds.
LARGEST: Final = 2**31 - 1
Gauge = Annotated[int, Field(ge=0, le=LARGEST)]
Moment = Annotated[int, Field(ge=0, le=LATEST)]
Mean = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class DamagedEntry(ValueError):
    """An entry of a stream is no snapshot: something else has written it."""


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """What one pool held at one moment, *at_ms* by the clock of Redis.

    *leased* is leases, *warm* sessions that may be borrowed. *proxies* counts them by
    state, and by mode those that may not be chosen. How sessions are spread over the
    proxies that may be chosen: fewest, most and mean on one, and *skew*, the most in
    times of the mean (1.0 is even). Of a pool with more than `SAMPLE` proxies these
    are of a sample: *looked_at* says how many were looked at. *first* is the one before
    which Redis had none: what it has counted, it has counted since the pool began.
    """

    pool: str
    at_ms: int
    active: Gauge
    expired_waiting: Gauge
    leased: Gauge
    warm: Gauge
    proxies_up: Gauge
    proxies_cooling: Gauge
    proxies: Counts
    looked_at: Gauge
    sessions_min: Gauge
    sessions_max: Gauge
    sessions_mean: Mean
    sessions_skew: Mean
    totals: Totals
    first: bool = False

    @classmethod
    def of(
        cls,
        stats: PoolStats,
        census: Census,
        modes: Mapping[str, int],
        *,
        first: bool = False,
    ) -> Self:
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
            first=first,
        )

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
    memory_bytes: Count
    memory_limit_bytes: Count
    queues: Counts = field(default_factory=dict)
    cleanup_runs: Count = 0
    cleanup_failures: Count = 0
    cleanup_failure_rate: Mean = 0.0
    cleanup_last_ok_ms: Moment = 0
    cleanup_last_removed: Count = 0

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

    def dump(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))


T = TypeVar("T", PoolFigures, SystemFigures)
_POOL: Final = TypeAdapter(PoolFigures)
_SYSTEM: Final = TypeAdapter(SystemFigures)


def read_pool(entry: Entry, pool: str) -> PoolFigures:
    """Read an entry of the stream of *pool*. Raises `DamagedEntry`."""
    return replace(_read(_POOL, entry), pool=pool)


def read_system(entry: Entry) -> SystemFigures:
    """Read an entry of the stream of what all pools share. Raises `DamagedEntry`."""
    return _read(_SYSTEM, entry)


def _read(kind: TypeAdapter[T], entry: Entry) -> T:
    key, fields = entry
    if not storable(key):
        raise DamagedEntry(key)
    try:
        found = kind.validate_json(fields.get("json", ""))
    except ValidationError:
        raise DamagedEntry(key) from None
    return replace(found, at_ms=moment(key)[0])
