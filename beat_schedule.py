"""What runs by itself, and when. All of it is set by environment variables."""

from typing import Any, Final

from limpet.names import (
    CHECK_ALERTS,
    CHECKPOINT_SESSIONS,
    CLEANUP_EXPIRED_SESSIONS,
    DRAIN_AUDIT,
    LIMIT_MEMORY,
    PROBE_PROXIES,
    ROLL_UP_HISTORY,
    SETTLE_LEASES,
    SNAPSHOT_METRICS,
    STORE_DEAD_LETTERS,
    SWEEP_EVACUATED,
    UPKEEP_QUEUE,
)
from limpet.settings import Settings
from limpet.upkeep import Entry

#: All there is, in the order that people read it in.
ENTRIES: Final = (
    Entry(
        "clean up expired sessions",
        CLEANUP_EXPIRED_SESSIONS,
        "session_cleanup",
        "minutes",
    ),
    Entry("settle leases of dead workers", SETTLE_LEASES, "settle"),
    Entry("limit memory of sessions", LIMIT_MEMORY, "memory_check"),
    Entry("sweep evacuated proxies", SWEEP_EVACUATED, "sweep"),
    Entry("snapshot metrics", SNAPSHOT_METRICS, "snapshot"),
    Entry("drain audit", DRAIN_AUDIT, "audit"),
    Entry("checkpoint sessions", CHECKPOINT_SESSIONS, "checkpoint"),
    Entry("roll up history", ROLL_UP_HISTORY, "history", "minutes"),
    Entry("store dead letters", STORE_DEAD_LETTERS, "dead_letters"),
    Entry("probe proxies", PROBE_PROXIES, "probe"),
    Entry("check alerts", CHECK_ALERTS, "alerts"),
)


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return Celery's ``beat_schedule``; tasks are named, never imported."""
    # Nobody waits for a result: how a run went is written down by itself.
    options = {"queue": UPKEEP_QUEUE, "ignore_result": True}
    return {
        entry.name: {
            "task": entry.task,
            "schedule": entry.schedule(settings),
            "options": options,
        }
        for entry in ENTRIES
        if entry.enabled(settings)
    }
