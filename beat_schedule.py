"""What runs by itself, and how often. Every interval is an environment variable."""

from typing import Any

from limpet.names import (
    CLEANUP_EXPIRED_SESSIONS,
    SNAPSHOT_METRICS,
    STORE_DEAD_LETTERS,
    UPKEEP_QUEUE,
)
from limpet.settings import Settings


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return Celery's ``beat_schedule``; tasks are named, never imported."""
    entries = {
        "store dead letters": _every(
            settings.dead_letters_interval_seconds, STORE_DEAD_LETTERS
        )
    }
    if settings.session_cleanup_enabled:
        entries["clean up expired sessions"] = _every(
            settings.session_cleanup_interval_minutes * 60,
            CLEANUP_EXPIRED_SESSIONS,
            batch_size=settings.session_cleanup_batch_size,
        )
    if settings.snapshot_enabled:
        entries["snapshot metrics"] = _every(
            settings.snapshot_interval_seconds, SNAPSHOT_METRICS
        )
    return entries


def _every(seconds: float, task: str, **kwargs: Any) -> dict[str, Any]:
    # A run that nobody took before the next one is due is not worth taking.
    options = {"queue": UPKEEP_QUEUE, "expires": seconds}
    return {"task": task, "schedule": seconds, "kwargs": kwargs, "options": options}
