"""History summed up by the hour, and what is too old removed."""

from dataclasses import asdict
from typing import Any

import structlog

from history.retention import prune
from history.rollup import roll_up
from history.store import HistoryStore
from history.tables import figures as tables
from limpet import database
from limpet.connection import session_redis
from limpet.names import ROLL_UP_HISTORY
from limpet.settings import settings
from tasks import runtime
from tasks.celery import app
from tasks.upkeep.base import UpkeepTask

log = structlog.get_logger(__name__)


@app.task(base=UpkeepTask, bind=True, name=ROLL_UP_HISTORY)
def roll_up_history(self: UpkeepTask) -> dict[str, Any]:
    """Sum up the hours that are over, then forget what is older than it is to be kept.

    Returns how many hours were summed up, and how many rows of each kind removed.
    """
    config = settings()
    engine = database.engine(config.sql_url)
    now = HistoryStore(session_redis(config)).now_ms()
    hours = unfinished = 0
    # Also those that Redis no longer names.
    for pool in sorted({*runtime.pools(), *tables.pools(engine)}):
        more = True
        while more and self.turn.going:
            done = roll_up(engine, pool)
            hours += done.hours
            more = done.more
        unfinished += more
    removed = asdict(prune(engine, config, now_ms=now, going=lambda: self.turn.going))
    unfinished += removed.pop("more")
    report = {"summed_up": hours, "unfinished": unfinished, "removed": removed}
    log.info("history_rolled_up", **report)
    return report
