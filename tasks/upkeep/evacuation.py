"""Sessions moved off proxies that are evacuated or disabled, before they are used.

Without it they move at their next use, which costs that request a choice. A pass goes
once through all sessions of a pool, over as many runs as it takes; how far it is, is
what the last run has written down.
"""

from collections.abc import Mapping
from typing import Any, Final

import structlog

from limpet import database
from limpet.names import SWEEP_EVACUATED
from limpet.settings import settings
from proxies import tables
from tasks import runtime
from tasks.celery import app
from tasks.upkeep.apart import Apart
from tasks.upkeep.base import Turn, UpkeepTask

_COUNTS: Final = ("moved", "used", "stuck")

log = structlog.get_logger(__name__)


@app.task(base=UpkeepTask, bind=True, name=SWEEP_EVACUATED)
def sweep_evacuated(self: UpkeepTask) -> dict[str, Any]:
    """Move the sessions of every pool that nobody uses off proxies they are to leave.

    Returns how many were ``moved``, are ``used`` (they move at their next use) or
    ``stuck`` (hard, or there is no other proxy), and in ``pools`` how far each is: the
    ``proxies`` of the pass, its ``cursor``, and those that are ``done``.

    Raises:
        StoreUnavailable: SQL or Redis is away; it is tried again.
    """
    before = self.last.result.get("pools", {})
    report: dict[str, Any] = {"moved": 0, "used": 0, "stuck": 0, "pools": {}}
    apart = Apart()
    for pool in runtime.pools():
        with apart.pool(pool):
            state = _sweep(pool, _begun(before, pool), self.turn, report)
            if state["done"] or state["proxies"]:
                report["pools"][pool] = state
    report["damaged"] = apart.damaged
    log.info("evacuated_swept", **{name: report[name] for name in _COUNTS})
    apart.close()
    return report


def _begun(before: object, pool: str) -> Mapping[str, Any]:
    """Return how far the pool was; the start where that cannot be read."""
    start: dict[str, Any] = {"cursor": 0, "proxies": [], "done": [], "used": 0}
    state = before.get(pool) if isinstance(before, dict) else None
    if not isinstance(state, dict):
        return start
    return {
        name: state[name] if type(state.get(name)) is type(start[name]) else start[name]
        for name in start
    }


def _sweep(
    pool: str, before: Mapping[str, Any], turn: Turn, report: dict[str, Any]
) -> dict[str, Any]:
    with database.answering():
        leaving = tables.leaving(database.engine(settings().sql_url), pool)
    # One that is used again, and then evacuated again, is new.
    done = leaving.intersection(before["done"])
    cursor = before["cursor"]
    proxies = leaving.intersection(before["proxies"]) if cursor else set()
    if not proxies:
        cursor, proxies = 0, leaving - done
    used = before["used"] if cursor else 0
    while proxies and turn.going:
        cursor, step = runtime.manager(pool).sweep(proxies, cursor)
        used += step.used
        for name in _COUNTS:
            report[name] += getattr(step, name)
        if not cursor:
            # What was in use may have been let go since: then there is another pass.
            done |= proxies if not used else set()
            proxies = set()
    return {
        "cursor": cursor,
        "proxies": sorted(proxies),
        "done": sorted(done),
        "used": used,
    }
