"""Figures written down."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import structlog

from health.broker import queue_lengths
from history.drain import Drain, Drained
from history.names import Names
from history.snapshots import Snapshots
from history.store import HistoryStore
from limpet import database
from limpet.connection import session_redis
from limpet.errors import StoreUnavailable
from limpet.keys import NO_POOL
from limpet.names import CLEANUP_EXPIRED_SESSIONS, SNAPSHOT_METRICS
from limpet.settings import settings
from limpet.upkeep import UpkeepStore
from proxies import tables
from sessions import open_proxies
from tasks import runtime
from tasks.celery import app
from tasks.upkeep.apart import Apart
from tasks.upkeep.base import Turn, UpkeepTask

#: A run that is tried again looks only at what the tries before it, which take a
#: minute together, have not looked at.
_FRESH: Final = 65.0

log = structlog.get_logger(__name__)


@app.task(base=UpkeepTask, bind=True, name=SNAPSHOT_METRICS)
def snapshot_metrics(self: UpkeepTask) -> dict[str, Any]:
    """Write what every pool holds to its live stream, and move the streams to SQL.

    While SQL is away snapshots stay in the streams, a day of them, and are moved by the
    next run that finds it back. Returns how many were taken and moved, and how many
    counts, proxies and entries were left out since they are damaged.
    """
    store, apart = HistoryStore(session_redis(settings())), Apart()
    snapshots = Snapshots(store)
    report = {"taken": 0, "moved": 0, "gaps": 0, "damaged": 0, "unfinished": 0}

    def due(pool: str | None) -> bool:
        if not self.request.retries:
            return True
        age = snapshots.age(pool)
        return age is None or age > _FRESH

    pools = runtime.pools()
    for pool in pools:
        with apart.pool(pool):
            if due(pool):
                proxies = open_proxies(session_redis(settings()), pool, settings())
                snapshots.take(runtime.manager(pool), proxies, _modes(pool))
                report["taken"] += 1
    with apart.pool(NO_POOL):
        if due(None):
            cleanup = UpkeepStore(session_redis(settings()))
            snapshots.take_system(_queues(), cleanup.record(CLEANUP_EXPIRED_SESSIONS))
    drain = Drain(store, database.engine(settings().sql_url), Names.of(settings()))
    moves: dict[str, Callable[[], Drained]] = {NO_POOL: drain.system}
    moves |= {pool: partial(drain.snapshots, pool) for pool in pools}
    for pool, move in moves.items():
        with apart.pool(pool):
            _move_all(move, self.turn, report)
    report["damaged"] += snapshots.damaged + apart.damaged
    log.info("metrics_snapshot", **report)
    apart.close()
    return report


def _move_all(move: Callable[[], Drained], turn: Turn, report: dict[str, int]) -> None:
    more = True
    while more and turn.going:
        done = move()
        report["moved"] += done.entries
        report["gaps"] += done.gap
        report["damaged"] += done.damaged
        more = done.more
    report["unfinished"] += more


def _modes(pool: str) -> Mapping[str, int]:
    try:
        with database.answering():
            return tables.modes(database.engine(settings().sql_url), pool)
    except StoreUnavailable as error:
        # The rest is worth having without them.
        log.warning("modes_unknown", pool=pool, reason=str(error))
        return {}


def _queues() -> dict[str, int]:
    try:
        return queue_lengths(app, settings().health_timeout_seconds)
    except StoreUnavailable as error:
        log.warning("queues_unknown", reason=str(error))
        return {}
