"""A PostgreSQL that is frozen holds a run up for a while, and loses nothing."""

import sys
from collections.abc import Callable

import pytest
from redis import Redis
from sqlalchemy import create_engine, text

from history.store import HistoryStore, snapshots_of
from limpet.names import SNAPSHOT_METRICS
from limpet.upkeep import UpkeepStore
from sessions import SessionManager
from tests.conftest import Eventually
from tests.databases import frozen, postgres
from tests.stack import Stack

__all__ = ["postgres"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc")


@pytest.mark.timeout(240)
def test_a_run_ends_with_a_clear_error_and_is_done_once_the_server_answers(
    stack: Stack,
    redis: Redis,
    manager: SessionManager,
    postgres: str,
    rows: Callable[[str, str], list[tuple[object, ...]]],
    eventually: Eventually,
) -> None:
    manager.release(manager.acquire("s", hold=30))
    there = {"LIMPET_DATABASE_URL": postgres}
    stack.manage("migrate", **there)
    before = len(rows(postgres, "SELECT ms FROM pool_snapshots"))
    stack.worker(**there)
    store = UpkeepStore(redis)
    log = stack.log("worker")
    app = stack.app()
    app.send_task(SNAPSHOT_METRICS, queue="upkeep").get(timeout=60)

    with frozen(postgres):
        sent = app.send_task(SNAPSHOT_METRICS, queue="upkeep")
        eventually(lambda: "upkeep_tried_again" in log.read_text(), within=120)
        failed = store.record(SNAPSHOT_METRICS)
        live = HistoryStore(redis).between(snapshots_of("default"), 0, 10)

    assert failed.error == (
        "the store did not do its work: no answer from the database in time"
    )
    assert len(live) == 2
    assert sent.get(timeout=60)["moved"] >= 2
    assert store.record(SNAPSHOT_METRICS).failures_in_row == 0
    taken = rows(postgres, "SELECT ms FROM pool_snapshots")
    assert len(taken) == before + 2


@pytest.fixture
def rows() -> Callable[[str, str], list[tuple[object, ...]]]:
    """Read what a table holds."""

    def read(url: str, query: str) -> list[tuple[object, ...]]:
        engine = create_engine(url)
        with engine.connect() as connection:
            found = [tuple(row) for row in connection.execute(text(query))]
        engine.dispose()
        return found

    return read
