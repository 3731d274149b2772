"""From when on something is wrong."""

from dataclasses import dataclass
from typing import Final, Self

from limpet.settings import Settings

#: Snapshots that may be missed: one may be late, two may be lost with a worker.
_MISSED: Final = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds of the rules; `None` where a rule does not apply.

    Ages in seconds, shares in percent, memory in MB (1,000,000 bytes).
    """

    workers: int = 1
    sessions: int = 1000
    beat_age: float = 300
    snapshot_age: float | None = 300
    cleanup_failures: float = 5
    proxies: float = 20
    memory_mb: float | None = 100

    @classmethod
    def of(cls, settings: Settings) -> Self:
        oldest = settings.health_snapshot_age_seconds
        if not settings.snapshot_crontab:
            oldest = max(oldest, _MISSED * settings.snapshot_interval_seconds)
        return cls(
            workers=settings.health_min_workers,
            sessions=settings.health_max_sessions,
            beat_age=settings.health_beat_silent_seconds,
            snapshot_age=oldest if settings.snapshot_enabled else None,
            cleanup_failures=settings.health_max_cleanup_failures_percent,
            proxies=settings.health_min_proxies_percent,
            memory_mb=settings.session_max_memory_mb or None,
        )
