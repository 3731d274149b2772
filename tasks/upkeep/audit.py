"""Audit events, moved to where they are kept."""

from typing import Any

import structlog

from history.drain import Drain
from history.names import Names
from history.store import HistoryStore
from limpet import database
from limpet.connection import session_redis
from limpet.keys import NO_POOL
from limpet.names import DRAIN_AUDIT
from limpet.settings import settings
from tasks import runtime
from tasks.celery import app
from tasks.upkeep.apart import Apart
from tasks.upkeep.base import UpkeepTask

log = structlog.get_logger(__name__)


@app.task(base=UpkeepTask, bind=True, name=DRAIN_AUDIT)
def drain_audit(self: UpkeepTask) -> dict[str, Any]:
    """Move the events of every pool to SQL, and write which sessions have ended.

    Each event is written once, whatever dies meanwhile. Returns how many were moved;
    *gaps* were found where the stream's cap took events before they were. Entries that
    are no events, since something else wrote them, are *damaged* and left out.
    """
    store = HistoryStore(session_redis(settings()), settings().shards)
    drain = Drain(store, database.engine(settings().sql_url), Names.of(settings()))
    report = {"moved": 0, "gaps": 0, "damaged": 0, "unfinished": 0}
    apart = Apart()
    for pool in (NO_POOL, *runtime.pools()):
        with apart.pool(pool):
            more = True
            while more and self.turn.going:
                done = drain.audit(pool)
                report["moved"] += done.entries
                report["gaps"] += done.gap
                report["damaged"] += done.damaged
                more = done.more
            report["unfinished"] += more
    report["damaged"] += apart.damaged
    if report["moved"]:
        log.info("audit_drained", **report)
    apart.close()
    return report
