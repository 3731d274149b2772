"""``schedule``: what runs when, and how it went."""

import json
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from limpet.keys import BEAT_SENT
from limpet.upkeep import UpkeepStore

if TYPE_CHECKING:
    from tests.stack import Stack


@pytest.fixture
def store(redis: Redis) -> UpkeepStore:
    return UpkeepStore(redis)


def shown(stack: "Stack", **environment: str) -> dict[str, Any]:
    done = stack.manage("schedule", "--json", **environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def entry(found: dict[str, Any], task: str) -> dict[str, Any]:
    [one] = [one for one in found["entries"] if one["task"] == task]
    return dict(one)


def test_every_entry_says_which_variable_sets_it(stack: "Stack") -> None:
    environment = {
        "SESSION_CLEANUP_INTERVAL_MINUTES": "7",
        "LIMPET_SNAPSHOT_CRONTAB": "*/5 * * * *",
        "LIMPET_SETTLE_ENABLED": "false",
    }

    found = shown(stack, **environment)

    cleanup = entry(found, "cleanup_expired_sessions")
    snapshot = entry(found, "snapshot_metrics")
    settle = entry(found, "settle_leases")
    assert (cleanup["variable"], cleanup["value"]) == (
        *("SESSION_CLEANUP_INTERVAL_MINUTES", "7"),
    )
    assert cleanup["switch"] == "SESSION_CLEANUP_ENABLED"
    assert (snapshot["variable"], snapshot["value"]) == (
        *("LIMPET_SNAPSHOT_CRONTAB", "*/5 * * * *"),
    )
    assert (settle["enabled"], settle["next"], settle["overdue"]) == (
        False,
        None,
        False,
    )
    assert found["beat"]["silent"] is None


def test_the_last_run_and_the_next_one_are_told(
    stack: "Stack", store: UpkeepStore
) -> None:
    store.lead("token", "host:1")
    sent_ms = round(store.beat().now * 1000)
    store.note_sent("token", "snapshot metrics", sent_ms)
    _, began = store.begin(
        *("snapshot_metrics", "a"), message="a", slot="", sent_ms=0, by="w"
    )
    store.end("snapshot_metrics", "a", began_ms=began, result='{"taken": 3}')

    one = entry(shown(stack), "snapshot_metrics")
    text = stack.manage("schedule").stdout

    assert one["record"]["result"] == {"taken": 3}
    assert one["next"] == pytest.approx(sent_ms / 1000 + 60, abs=1)
    assert not one["overdue"]
    assert "taken 3" in text
    assert "LIMPET_SNAPSHOT_INTERVAL_SECONDS=60" in text
    assert "beat host:1" in text or "the last one, host:1" in text


def test_a_failure_is_told(stack: "Stack", store: UpkeepStore) -> None:
    store.begin("snapshot_metrics", "a", message="a", slot="", sent_ms=0, by="w")
    store.end("snapshot_metrics", "a", began_ms=1, error="SQL is away")

    done = stack.manage("schedule")

    assert "failed: SQL is away" in done.stdout


def test_what_no_worker_has_done_is_overdue(
    stack: "Stack", store: UpkeepStore, redis: Redis
) -> None:
    now_ms = round(store.beat().now * 1000)
    redis.hset(
        "limpet:{upkeep}:beat",
        mapping={"name": "h:1", "since": now_ms - 10**6, "tick": now_ms - 10**5},
    )
    redis.hset(BEAT_SENT, "snapshot metrics", now_ms - 1000)

    found = shown(stack)
    text = stack.manage("schedule").stdout

    assert entry(found, "snapshot_metrics")["overdue"]
    assert "overdue" in text
    assert "No beat is active" in text


def test_a_redis_that_is_away_is_one_line(stack: "Stack") -> None:
    done = stack.manage("schedule", LIMPET_REDIS_URL="redis://127.0.0.1:1/0")

    assert done.returncode == 1
    assert "limpet: the store did not do its work" in done.stderr
    assert "Traceback" not in done.stderr
