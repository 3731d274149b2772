"""A Redis that is full is made room in: what does that, and tells it, needs none."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import OutOfMemoryError

from health import Check, Report, Status
from health.alerts import Alerts
from health.store import HealthStore
from limpet.keys import Keys
from limpet.settings import Settings
from limpet.upkeep import UpkeepStore
from sessions import SessionManager
from tasks import runtime
from tasks.upkeep import base, cleanup

TASK = "store_dead_letters"


@pytest.fixture
def fill(redis: Redis) -> Iterator[Callable[[], object]]:
    """Have Redis refuse whatever takes room, until the test ends."""
    yield partial(redis.config_set, "maxmemory", 1)
    redis.config_set("maxmemory", 0)


@pytest.fixture
def config(
    redis_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    made = Settings(
        redis_url=SecretStr(f"redis://127.0.0.1:{redis_port}/1"),
        CELERY_BROKER_URL=SecretStr(f"redis://127.0.0.1:{redis_port}/0"),
        state_dir=tmp_path,
        SESSION_MAX_MEMORY_MB=0.000_001,
    )
    for module in (base, cleanup, runtime):
        monkeypatch.setattr(module, "settings", lambda: made)
    runtime.manager.cache_clear()
    return made


def test_the_clean_up_makes_room_in_a_redis_that_is_full(
    redis: Redis,
    config: Settings,
    fill: Callable[[], object],
    full_of: Callable[..., SessionManager],
) -> None:
    manager = full_of(redis, 200)
    manager.acquire("living", hold=30)
    # One newcomer in ten sees some out that are over.
    over = redis.zcard(Keys("default").expiry) - 1
    fill()
    with pytest.raises(OutOfMemoryError):
        redis.set("limpet:more", 1, ex=60)

    report = cleanup.cleanup_expired_sessions()

    assert over >= 184
    assert (report["removed"], report["errors"]) == (over, 0)
    assert manager.stats().sessions == 1
    assert manager.get("living") is not None
    assert UpkeepStore(redis).record("cleanup_expired_sessions").runs == 1


def test_sessions_are_evicted_and_leases_settled_in_a_redis_that_is_full(
    redis: Redis,
    config: Settings,
    fill: Callable[[], object],
    full_of: Callable[..., SessionManager],
) -> None:
    manager = full_of(redis, 50, expired=False)
    manager.acquire("abandoned", hold=30)
    redis.zadd(Keys("default").leases, dict.fromkeys(_leases(redis), 1))
    fill()

    settled = cleanup.settle_leases()
    evicted = cleanup.limit_memory()

    assert settled["leases"] == 1
    assert evicted["by_reason"] == {"evicted": 51}


def _leases(redis: Any) -> list[bytes]:
    return list(redis.zrange(Keys("default").leases, 0, -1))


def test_runs_and_beats_go_on_in_a_redis_that_is_full(
    store: UpkeepStore, redis: Redis, fill: Callable[[], object]
) -> None:
    fill()

    began = store.begin(TASK, "a", message="a", slot="7", sent_ms=1, by="w")
    ended = store.end(TASK, "a", began_ms=began[1], result="{}")
    active = store.lead("token", "host:1")[0]
    noted = store.note_sent("token", "snapshot metrics", 7)

    assert (began[0], ended, active, noted) == ("go", True, True, True)
    assert store.record(TASK).runs == 1


def test_a_redis_that_is_full_is_told(redis: Redis, fill: Callable[[], object]) -> None:
    alerts = Alerts(HealthStore(redis), after=0, outbox=True)
    fill()

    found = alerts.tell(Report((Check("redis", Status.DOWN, "it is full"),)))

    assert [one.text for one in found] == ["it is full"]
    assert alerts.unsent() == found
