"""What is secret is in no part of the history: nor in Redis, nor in SQL, nor a log."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from redis import Redis
from sqlalchemy import Engine

from history import tables
from history.checkpoint import Checkpoints
from history.drain import Drain
from history.names import Names
from history.query import History, Span
from history.rollup import roll_up
from history.snapshots import Snapshots
from history.store import HistoryStore, audit_of, snapshots_of
from limpet.sealing import Sealer
from limpet.upkeep import NEVER
from proxies import HealthPolicy, Outcome, Proxy, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import SessionManager
from sessions.store import SessionStore
from tests.history.conftest import Rows, everything

PLANTED = ("Pr0xyS3cret", "C00kieS3cret", "Qu3ryS3cret", "Head3rS3cret", "M3taS3cret")


def test_a_sweep_for_planted_secrets_finds_none(
    redis: Redis,
    store: HistoryStore,
    engine: Engine,
    rows: Rows,
    drain: Drain,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sealer = Sealer([Fernet.generate_key().decode()])
    pool = ProxyPool(ProxyStore(redis, "default"), sealer=sealer)
    proxies = (Proxy("http", f"10.0.0.{n}", 80, "u", "Pr0xyS3cret") for n in range(3))
    pool.publish([ProxyRecord(proxy) for proxy in proxies])
    health = HealthPolicy(max_failures=1)
    manager = SessionManager(
        "default",
        SessionStore(redis, "default", health=health),
        pool,
        sealer=sealer,
    )
    url = "https://shop.test/a?token=Qu3ryS3cret"
    patch: Any = {
        "cookies": [{"name": "c", "value": "C00kieS3cret", "domain": "shop.test"}],
        "headers": {"X-Key": "Head3rS3cret"},
        "metadata": {"m": "M3taS3cret"},
    }
    for name in ("kept", "closed", "moved"):
        lease = manager.acquire(name, hold=30)
        manager.release(lease, Outcome.OK, url=url, patch=patch, elapsed=0.1)
    lease = manager.acquire("moved", hold=30)
    manager.release(lease, Outcome.FAULT, url=url)
    manager.release(manager.acquire("moved", hold=30), Outcome.BLOCKED, domain="a.test")
    manager.close("closed")
    copies = Checkpoints(store, engine, Names(), sealer)
    Snapshots(store).take(manager, pool, {})
    Snapshots(store).take_system({}, NEVER)

    everything(drain)
    drain.snapshots("default")
    drain.system()
    roll_up(engine, "default")
    copies.step("default")

    seen = [str(History(store, engine).pool("default", span)) for span in Span]
    text = "".join([*seen, *_kept(redis, rows), *capsys.readouterr()])
    assert "rebound" in text
    assert "moved" in text
    assert [word for word in PLANTED if word in text] == []


def _kept(redis: Redis, rows: Rows) -> Iterator[str]:
    for stream in (audit_of("default"), snapshots_of("default"), snapshots_of(None)):
        yield str(redis.xrange(stream))
    for name in tables.__all__:
        for row in rows(f"SELECT * FROM {getattr(tables, name).__tablename__}"):
            yield str({k: _plain(v) for k, v in row.items()})


def _plain(value: object) -> object:
    return bytes(value) if isinstance(value, memoryview) else value
