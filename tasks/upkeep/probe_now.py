"""One proxy tried out at once, for a person who looks at its page."""

from typing import Any

import structlog

from history.store import HistoryStore
from limpet import database
from limpet.connection import session_redis
from limpet.errors import InvalidArgument
from limpet.names import PROBE_PROXY
from limpet.sealing import Sealer
from limpet.settings import settings
from proxies import tables
from sessions import open_proxies
from tasks.app import CheckedTask
from tasks.celery import app
from tasks.probing import probe
from tasks.upkeep.probes import target, unable

log = structlog.get_logger(__name__)


@app.task(base=CheckedTask, name=PROBE_PROXY)
def probe_proxy(*, pool: str, proxy: str) -> dict[str, Any]:
    """Send one request through *proxy* of *pool*; tell the audit how it went.

    It counts as any request does, and needs no turn: who is asked to by a person does
    not wait, also while `probe_proxies` runs.

    Raises:
        InvalidArgument: there is no such proxy, or nothing that could be fetched.
    """
    config = settings()
    if reason := unable(config):
        raise InvalidArgument("probe", reason)
    with database.answering():
        engine = database.engine(config.sql_url)
        record = tables.get(engine, Sealer.of(config), pool, proxy)
    if record is None:
        raise InvalidArgument("proxy", "one that is on record")
    found = probe(pool, record.proxy, target(config))
    client = session_redis(config)
    standing = open_proxies(client, pool, config).report(record.id, found.tried)
    told = {
        "outcome": found.tried.outcome.value,
        "status": found.status,
        "ms": str(round(found.tried.elapsed * 1000)),
        "state": standing.state or "unpublished",
        "detail": found.detail,
    }
    shown = {name: value for name, value in told.items() if value}
    log.info("proxy_probed", pool=pool, proxy=record.id, **shown)
    store = HistoryStore(client, config.shards)
    store.note(pool, {"event": "probed", "proxy": record.id, **shown})
    return shown
