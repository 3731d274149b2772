"""From when on something is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from beat_schedule import ENTRIES
from limpet.names import SNAPSHOT_METRICS
from limpet.settings import Settings
from limpet.upkeep import longest_gap

#: Seconds for which any task may go without a run that went well: a run that fails is
#: tried again for a minute, and a worker that is started anew takes as long.
_LEAST: Final = 300.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds of the rules; `None` where a rule does not apply.

    Ages in seconds, shares in percent, memory in MB (1,000,000 bytes). *upkeep* has the
    age of each task that is switched on, which are called as in the schedule.
    """

    workers: int = 1
    sessions: int = 1000
    beat_age: float = 300
    snapshot_age: float | None = 300
    cleanup_failures: float = 5
    proxies: float = 20
    redis_memory: float = 90
    memory_mb: float | None = 100
    upkeep: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        gaps, missed = gaps_of(settings), settings.health_upkeep_missed_runs
        oldest = settings.health_snapshot_age_seconds
        between = gaps.get(SNAPSHOT_METRICS)
        return cls(
            workers=settings.health_min_workers,
            sessions=settings.health_max_sessions,
            beat_age=settings.health_beat_silent_seconds,
            snapshot_age=max(oldest, missed * between) if between else None,
            cleanup_failures=settings.health_max_cleanup_failures_percent,
            proxies=settings.health_min_proxies_percent,
            redis_memory=settings.health_max_redis_memory_percent,
            memory_mb=settings.session_max_memory_mb or None,
            upkeep={
                entry.name: max(_LEAST, missed * gaps[entry.task])
                for entry in ENTRIES
                if entry.task in gaps
            },
        )


def gaps_of(settings: Settings) -> dict[str, float]:
    """Return the longest time between two runs of each task that is switched on."""
    return {
        entry.task: longest_gap(entry.schedule(settings))
        for entry in ENTRIES
        if entry.enabled(settings)
    }
