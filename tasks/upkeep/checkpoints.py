"""Sessions copied to SQL, in case that Redis loses them."""

from typing import Any

import structlog

from history.checkpoint import Checkpoints
from history.names import Names
from history.store import HistoryStore
from limpet import database
from limpet.connection import session_redis
from limpet.names import CHECKPOINT_SESSIONS
from limpet.sealing import Sealer
from limpet.settings import settings
from tasks import runtime
from tasks.celery import app
from tasks.upkeep.apart import Apart
from tasks.upkeep.base import UpkeepTask

log = structlog.get_logger(__name__)


@app.task(base=UpkeepTask, bind=True, name=CHECKPOINT_SESSIONS)
def checkpoint_sessions(self: UpkeepTask) -> dict[str, Any]:
    """Write the sessions of every pool that have changed since the last time to SQL.

    Looks at ``LIMPET_CHECKPOINT_MAX_SESSIONS`` of each pool at most, and the next run
    goes on from there. Returns how many were seen, written, and could not be read.
    """
    config = settings()
    store = HistoryStore(session_redis(config), config.shards)
    engine = database.engine(config.sql_url)
    keeper = Checkpoints(store, engine, Names.of(config), Sealer.of(config))
    report = {"seen": 0, "written": 0, "damaged": 0, "unfinished": 0}
    apart = Apart()
    for pool in runtime.pools():
        with apart.pool(pool):
            seen, more = 0, True
            while more and self.turn.going and seen < config.checkpoint_max_sessions:
                done = keeper.step(pool)
                seen += done.seen
                report["written"] += done.written
                report["damaged"] += done.damaged
                more = done.more
            report["seen"] += seen
            report["unfinished"] += more
    report["damaged"] += apart.damaged
    log.info("sessions_checkpointed", **report)
    apart.close()
    return report
