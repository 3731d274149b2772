"""Expired sessions removed, leases of dead workers settled, memory kept in bounds."""

import time
from collections.abc import Iterator
from typing import Final

import structlog

from limpet.errors import InvalidJob
from limpet.names import CLEANUP_EXPIRED_SESSIONS, LIMIT_MEMORY, SETTLE_LEASES
from limpet.settings import settings
from sessions import Cleaner, CleanupReport
from tasks import runtime
from tasks.celery import app
from tasks.upkeep.base import Turn, UpkeepTask

#: As for SESSION_CLEANUP_BATCH_SIZE: more would stall running jobs.
_LARGEST_BATCH: Final = 500
#: A year, as for SESSION_TIMEOUT_MINUTES.
_LONGEST: Final = 525_600
#: What is kept of the memory limit when sessions are evicted: what is freed lasts for a
#: while, so that it is not done again and again.
_KEPT: Final = 0.9
_MB: Final = 1_000_000

log = structlog.get_logger(__name__)


@app.task(base=UpkeepTask, bind=True, name=CLEANUP_EXPIRED_SESSIONS)
def cleanup_expired_sessions(
    self: UpkeepTask,
    max_age_minutes: float | None = None,
    batch_size: int | None = None,
) -> CleanupReport:
    """Remove expired sessions of every pool, *batch_size* at a time.

    Each session ends by its own times; with *max_age_minutes* also the one that nobody
    has used for so long. Leases of dead workers are settled, and over
    SESSION_MAX_MEMORY_MB idle sessions end too. Safe to run twice, and beside running
    jobs: a step is one short script, and a session in use is never touched.

    Raises:
        InvalidJob: *batch_size* is not from 1 to 500, or *max_age_minutes* not from
            above 0 to 525,600.
        SessionStoreError: Redis stays away; it is tried again later.
        SessionCleanupError: a step breaks again and again; it is tried again later.
    """
    batch, idle = _batch(batch_size), _idle(max_age_minutes)
    start, report = time.monotonic(), CleanupReport()
    cleaners = list(_cleaners(self.turn))
    for cleaner in cleaners:
        cleaner.expire(batch, report)
        if idle is not None:
            cleaner.retire(idle, report)
    _limit(cleaners, report)
    return _told("sessions_cleaned_up", start, report)


@app.task(base=UpkeepTask, bind=True, name=LIMIT_MEMORY)
def limit_memory(self: UpkeepTask) -> CleanupReport:
    """End idle sessions while all of them take more than SESSION_MAX_MEMORY_MB.

    Those used least recently first, never one with a live lease, until they take less
    than 90 % of it. How much they take is estimated from a sample of each pool.
    """
    start, report = time.monotonic(), CleanupReport()
    _limit(list(_cleaners(self.turn)), report)
    return _told("memory_limited", start, report)


@app.task(base=UpkeepTask, bind=True, name=SETTLE_LEASES)
def settle_leases(self: UpkeepTask) -> CleanupReport:
    """Settle the leases of workers that died: their proxies have room again."""
    start, report = time.monotonic(), CleanupReport()
    for cleaner in _cleaners(self.turn):
        cleaner.settle(settings().session_cleanup_batch_size, report)
        report.proxies_due += cleaner.memory().proxies_due
    return _told("leases_settled", start, report)


def _cleaners(turn: Turn) -> Iterator[Cleaner]:
    for pool in runtime.pools():
        yield runtime.cleaner(pool, lambda: turn.going)


def _limit(cleaners: list[Cleaner], report: CleanupReport) -> None:
    limit = settings().session_max_memory_mb * _MB
    sizes = [cleaner.memory().total for cleaner in cleaners] if limit else []
    total = sum(sizes)
    if not limit or total <= limit:
        return
    log.warning("memory_over_limit", bytes=round(total), limit=limit)
    for cleaner, size in zip(cleaners, sizes, strict=True):
        cleaner.evict((total - _KEPT * limit) * size / total, report)


def _told(event: str, start: float, report: CleanupReport) -> CleanupReport:
    report.duration_ms = round((time.monotonic() - start) * 1000)
    log.info(
        event,
        removed=report.removed,
        by_reason=dict(report.by_reason),
        leases=report.leases,
        batches=report.batches,
        errors=report.errors,
        memory_freed=report.memory_freed,
        unfinished=report.unfinished,
        duration_ms=report.duration_ms,
    )
    return report


def _batch(size: int | None) -> int:
    if size is None:
        return settings().session_cleanup_batch_size
    if type(size) is not int or not 1 <= size <= _LARGEST_BATCH:
        raise InvalidJob(f"batch_size: must be a number from 1 to {_LARGEST_BATCH}")
    return size


def _idle(minutes: float | None) -> float | None:
    if minutes is None:
        return None
    if type(minutes) not in {int, float} or not 0 < minutes <= _LONGEST:
        raise InvalidJob(f"max_age_minutes: must be a number above 0, to {_LONGEST:,}")
    return minutes * 60
