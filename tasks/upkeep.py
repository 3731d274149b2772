"""What beat has done: expired sessions removed, figures written down."""

import time
from dataclasses import asdict
from typing import Any, Final

import structlog

from limpet import database
from limpet.dead import DeadLetters
from limpet.errors import InvalidJob, JobError
from limpet.names import (
    CLEANUP_EXPIRED_SESSIONS,
    SNAPSHOT_METRICS,
    STORE_DEAD_LETTERS,
)
from limpet.settings import settings
from sessions import tables
from tasks import parked, runtime
from tasks.celery import app

#: A clean-up that takes longer goes on at its next turn, so that it never piles up.
_BUDGET: Final = 30.0
#: As for SESSION_CLEANUP_BATCH_SIZE: more would stall running jobs.
_LARGEST_BATCH: Final = 500

log = structlog.get_logger(__name__)


@app.task(name=CLEANUP_EXPIRED_SESSIONS, ignore_result=True, throws=(JobError,))
def cleanup_expired_sessions(batch_size: int | None = None) -> dict[str, Any]:
    """Remove expired sessions of every pool, *batch_size* at a time.

    Safe to run twice, and beside running jobs: a step is one short script, and a
    session in use is never touched. Returns what was removed, settled and revived.

    Raises:
        InvalidJob: *batch_size* is not from 1 to 500.
    """
    batch = settings().session_cleanup_batch_size if batch_size is None else batch_size
    if type(batch) is not int or not 1 <= batch <= _LARGEST_BATCH:
        raise InvalidJob(f"batch_size: must be a number from 1 to {_LARGEST_BATCH}")
    start = time.monotonic()
    report = {"sessions": 0, "leases": 0, "batches": 0, "unfinished": 0}
    for pool in runtime.pools():
        more = True
        while more and time.monotonic() - start < _BUDGET:
            step = runtime.manager(pool).expire(batch)
            report["sessions"] += step.sessions
            report["leases"] += step.leases
            report["batches"] += 1
            more = step.more
        report["unfinished"] += more
    report["ms"] = round((time.monotonic() - start) * 1000)
    log.info("sessions_cleaned_up", **report)
    return report


@app.task(name=SNAPSHOT_METRICS, ignore_result=True)
def snapshot_metrics() -> list[dict[str, Any]]:
    """Write what every pool holds to its live stream and to SQL; return the same."""
    taken = []
    for pool in runtime.pools():
        stats = runtime.manager(pool).snapshot()
        tables.save(database.engine(settings().sql_url), stats)
        taken.append(asdict(stats))
    log.info("metrics_snapshot", pools=len(taken))
    return taken


@app.task(name=STORE_DEAD_LETTERS, ignore_result=True)
def store_dead_letters() -> dict[str, int]:
    """Move dead letters to SQL and forget old ones; return how many of each."""
    letters = DeadLetters(settings())
    report = {
        "parked": parked.collect(app),
        "stored": letters.move(),
        "expired": letters.expire(),
    }
    log.info("dead_letters_stored", **report)
    return report
