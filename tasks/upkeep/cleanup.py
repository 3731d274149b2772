"""Expired sessions removed, leases of dead workers settled, memory kept in bounds."""

import time
from collections.abc import Iterator
from typing import Annotated, Final

import structlog
from pydantic import Field

from limpet.jobs import Job
from limpet.names import CLEANUP_EXPIRED_SESSIONS, LIMIT_MEMORY, SETTLE_LEASES
from limpet.pool_settings import Minutes
from limpet.settings import settings
from sessions import Cleaner, CleanupReport
from tasks import runtime
from tasks.celery import app
from tasks.upkeep.apart import Apart
from tasks.upkeep.base import Turn, UpkeepTask

#: What is kept of the memory limit when sessions are evicted: what is freed lasts for a
#: while, so that it is not done again and again.
_KEPT: Final = 0.9
_MB: Final = 1_000_000

log = structlog.get_logger(__name__)


class Cleanup(Job):
    """How to clean up; bounds are those of the settings that are taken otherwise."""

    max_age_minutes: Minutes | None = None
    batch_size: Annotated[int, Field(ge=1, le=500)] | None = None


@app.task(base=UpkeepTask, bind=True, name=CLEANUP_EXPIRED_SESSIONS, takes=Cleanup)
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
            above 0 to 525,600; nothing was begun.
        SessionStoreError: Redis stays away; it is tried again later.
        SessionCleanupError: a step breaks again and again; it is tried again later.
    """
    batch = batch_size or settings().session_cleanup_batch_size
    start, report = time.monotonic(), CleanupReport()
    cleaners, apart = list(_cleaners(self.turn)), Apart()
    for cleaner in cleaners:
        with apart.pool(cleaner.pool):
            cleaner.expire(batch, report)
            if max_age_minutes is not None:
                cleaner.retire(max_age_minutes * 60, report)
    _limit(cleaners, report, apart)
    return _told("sessions_cleaned_up", start, report, apart)


@app.task(base=UpkeepTask, bind=True, name=LIMIT_MEMORY)
def limit_memory(self: UpkeepTask) -> CleanupReport:
    """End idle sessions while all of them take more than SESSION_MAX_MEMORY_MB.

    Those used least recently first, never one with a live lease, until they take less
    than 90 % of it. How much they take is estimated from a sample of each pool.
    """
    start, report, apart = time.monotonic(), CleanupReport(), Apart()
    _limit(list(_cleaners(self.turn)), report, apart)
    return _told("memory_limited", start, report, apart)


@app.task(base=UpkeepTask, bind=True, name=SETTLE_LEASES)
def settle_leases(self: UpkeepTask) -> CleanupReport:
    """Settle the leases of workers that died: their proxies have room again."""
    start, report, apart = time.monotonic(), CleanupReport(), Apart()
    for cleaner in _cleaners(self.turn):
        with apart.pool(cleaner.pool):
            cleaner.settle(settings().session_cleanup_batch_size, report)
            report.proxies_due += cleaner.memory().proxies_due
    return _told("leases_settled", start, report, apart)


def _cleaners(turn: Turn) -> Iterator[Cleaner]:
    for pool in runtime.pools():
        yield runtime.cleaner(pool, lambda: turn.going)


def _limit(cleaners: list[Cleaner], report: CleanupReport, apart: Apart) -> None:
    limit = settings().session_max_memory_mb * _MB
    sizes: list[tuple[Cleaner, float]] = []
    for cleaner in cleaners if limit else ():
        with apart.pool(cleaner.pool):
            sizes.append((cleaner, cleaner.memory().total))
    total = sum(size for _, size in sizes)
    if not limit or total <= limit:
        return
    log.warning("memory_over_limit", bytes=round(total), limit=limit)
    for cleaner, size in sizes:
        with apart.pool(cleaner.pool):
            cleaner.evict((total - _KEPT * limit) * size / total, report)


def _told(
    event: str, start: float, report: CleanupReport, apart: Apart
) -> CleanupReport:
    report.errors += apart.damaged
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
    apart.close()
    return report
