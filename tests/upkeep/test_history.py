"""The tasks that keep the history: each may fail, and be run again."""

import json
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis

from history.query import History, Span
from history.store import HistoryStore
from limpet import database, schema
from limpet.errors import StoreUnavailable
from limpet.settings import Settings
from sessions import SessionManager
from tasks import runtime
from tasks.upkeep import audit, checkpoints, history, snapshots
from tests.history.conftest import use

TASKS = (
    snapshots.snapshot_metrics,
    audit.drain_audit,
    checkpoints.checkpoint_sessions,
    history.roll_up_history,
)


@pytest.fixture
def config(
    redis: Redis, redis_port: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings that the tasks find, with a database of their own."""
    made = Settings(
        redis_url=SecretStr(f"redis://127.0.0.1:{redis_port}/1"), state_dir=tmp_path
    )
    schema.upgrade(made)
    for module in (snapshots, audit, checkpoints, history, runtime):
        monkeypatch.setattr(module, "settings", lambda: made)
    monkeypatch.setattr("tasks.upkeep.base.settings", lambda: made)
    runtime.manager.cache_clear()
    return made


def test_every_run_says_what_it_did_in_json(
    config: Settings, manager: SessionManager
) -> None:
    use(manager, "s")
    use(manager, "gone")
    manager.close("gone")

    reports = [json.loads(json.dumps(task())) for task in TASKS]

    taken, drained, copied, summed = reports
    assert (taken["taken"], taken["moved"], taken["unfinished"]) == (1, 2, 0)
    assert (drained["moved"], drained["gaps"]) == (3, 0)
    assert (copied["seen"], copied["written"]) == (1, 1)
    assert summed["removed"]["audit"] == 0


def test_every_run_may_be_done_again(config: Settings, manager: SessionManager) -> None:
    use(manager, "s")
    for task in TASKS:
        task()

    again = [task() for task in TASKS[1:]]

    assert [again[0]["moved"], again[1]["written"], again[2]["summed_up"]] == [0, 0, 0]


def test_without_sql_a_snapshot_is_taken_and_moved_later(
    config: Settings, manager: SessionManager, redis: Redis
) -> None:
    use(manager, "s")
    file = config.state_dir / "limpet.db"
    engine = database.engine(config.sql_url)
    engine.dispose()
    file.rename(config.state_dir / "away.db")
    file.mkdir()

    with pytest.raises(StoreUnavailable):
        snapshots.snapshot_metrics.run()
    live = History(HistoryStore(redis), engine).pool("default", Span.HOUR)
    file.rmdir()
    (config.state_dir / "away.db").rename(file)
    snapshots.snapshot_metrics.run()

    assert len(live) == 1
    kept = History(HistoryStore(redis), engine).pool("default", Span.DAY)
    assert sum(point.samples for point in kept) == 2
