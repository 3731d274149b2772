"""The clean-up with real beat, worker and Redis, beside processes that use sessions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis

from limpet.keys import Keys
from limpet.upkeep import UpkeepStore
from sessions import SessionManager
from tests.conftest import Eventually
from tests.sessions.conftest import Server
from tests.stack import Stack
from tests.upkeep.conftest import Users

CLEANUP: Final = "cleanup_expired_sessions"
KEYS: Final = Keys("default")
Full = Callable[..., SessionManager]

#: A worker, or beat, on a machine whose clock is wrong by so many seconds.
_WRONG_CLOCK: Final = """
import datetime, sys, time
shift = float(sys.argv.pop(1))
real, real_ns = time.time, time.time_ns
time.time = lambda: real() + shift
time.time_ns = lambda: real_ns() + int(shift * 1e9)
class Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.fromtimestamp(time.time(), tz)
import celery.app.base, celery.worker.request
celery.app.base.datetime = celery.worker.request.datetime = Shifted
from celery.__main__ import main
sys.argv[0] = "celery"
main()
"""


def run(stack: Stack, task: str = CLEANUP, **kwargs: Any) -> dict[str, Any]:
    sent = stack.app().send_task(task, kwargs=kwargs, queue="upkeep")
    found: dict[str, Any] = sent.get(timeout=90)
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [1_000, 100_000])
def test_expired_sessions_go_while_others_are_used(  # noqa: PLR0913, PLR0917 - fixtures
    stack: Stack,
    redis: Redis,
    store: UpkeepStore,
    full_of: Full,
    users: Users,
    eventually: Eventually,
    count: int,
) -> None:
    manager = full_of(redis, 10)
    end = users(stack.redis_url, 4)
    full_of(redis, count, "expired")
    often = {"SESSION_CLEANUP_INTERVAL_MINUTES": "0.02"}
    stack.worker(**often)

    stack.celery("beat", log="beat", **often)

    eventually(lambda: manager.stats().sessions == 200, within=200)
    used = end()
    assert [one["changed"] for one in used] == [[]] * 4
    assert min(one["done"] for one in used) > 50
    assert {one.session.split("-")[0] for one in manager.all()} == {"living"}
    assert manager.stats().counters["closed_idle"] == count + 10
    eventually(lambda: store.record(CLEANUP).result.get("removed") == 0, within=20)
    assert store.record(CLEANUP).failures == 0


def _broken(redis: Redis) -> list[str]:
    """Break a record of each kind in the middle of a batch; return their names."""
    fields: list[tuple[str, str | bytes | None]] = [
        *(("x", one) for one in ("abc", "", b"\xff\xfe", "nan?", "[1]", None)),
        *(("d", one) for one in ("abc", b"\xff", None)),
    ]
    names = []
    for number, (field, value) in enumerate(fields):
        names.append(f"session-{number * 37 + 20:024}")
        key = KEYS.session(names[-1])
        if value is None:
            assert redis.hdel(key, field) == 1
        else:
            redis.hset(key, field, value)
    for number in (407, 408):
        names.append(f"session-{number:024}")
        redis.delete(KEYS.session(names[-1]))
    redis.rpush(KEYS.session(names[-2]), "?")
    redis.set(KEYS.session(names[-1]), b"\xff")
    return names


def test_broken_records_of_any_kind_are_skipped_and_told(
    stack: Stack, redis: Redis, full_of: Full
) -> None:
    manager = full_of(redis, 500)
    broken = _broken(redis)
    stack.worker()

    report = run(stack)

    count = len(broken)
    assert (report["removed"], report["errors"], report["unfinished"]) == (
        *(500 - count, count, 0),
    )
    assert report["by_reason"] == {"idle": 500 - count}
    assert manager.stats().expired_waiting == 0
    assert manager.stats().counters["stuck"] == count
    log = stack.log("worker").read_text()
    assert "session_not_removed" in log
    assert [name for name in broken if name not in log] == []
    redis.delete(*map(KEYS.session, broken))


def test_a_redis_that_stops_in_the_middle_and_is_back_loses_nothing(
    stack: Stack,
    full_of: Full,
    users: Users,
    eventually: Eventually,
    free_port: Callable[[], int],
    tmp_path: Path,
) -> None:
    with Server("embedded", free_port, tmp_path) as server:
        manager = full_of(server.client, 40_000)
        living = [f"keep{n}" for n in range(20)]
        for name in living:
            manager.release(manager.acquire(name, hold=30))
        stack.worker(LIMPET_REDIS_URL=server.url)
        sent = stack.app().send_task(CLEANUP, queue="upkeep")
        eventually(lambda: manager.stats().sessions < 30_000, within=30)

        server.stop()
        # Back at once, a client that tries again would notice nothing.
        log = stack.log("worker")
        eventually(lambda: "cleanup_step_failed" in log.read_text(), within=30)
        server.start()

        report = sent.get(timeout=60)
        assert 0 < report["errors"] < 10
        assert report["unfinished"] == 0
        assert {one.session for one in manager.all()} == set(living)
        found = UpkeepStore(server.client).record(CLEANUP)
        assert (found.failures, found.running) == (0, False)


def test_a_redis_that_is_away_for_long_is_tried_again(
    stack: Stack,
    full_of: Full,
    eventually: Eventually,
    free_port: Callable[[], int],
    tmp_path: Path,
) -> None:
    with Server("embedded", free_port, tmp_path) as server:
        manager = full_of(server.client, 5_000)
        stack.worker(LIMPET_REDIS_URL=server.url, LIMPET_UPKEEP_BUDGET_SECONDS="1")
        server.stop()
        sent = stack.app().send_task(CLEANUP, queue="upkeep")
        log = stack.log("worker")
        eventually(lambda: "upkeep_tried_again" in log.read_text(), within=60)

        server.start()

        assert sent.get(timeout=90)["errors"] == 0
        eventually(lambda: _left(stack, manager) == 0, within=60)


def _left(stack: Stack, manager: SessionManager) -> int:
    run(stack)
    return manager.stats().sessions


@pytest.mark.parametrize("shift", [3600, -3600])
def test_a_worker_and_a_beat_with_a_wrong_clock_do_as_redis_says(
    stack: Stack,
    redis: Redis,
    store: UpkeepStore,
    full_of: Full,
    eventually: Eventually,
    shift: int,
) -> None:
    full_of(redis, 1_000)
    manager = full_of(redis, 300, "living", expired=False)
    held = manager.acquire("held", hold=30)
    often = {"SESSION_CLEANUP_INTERVAL_MINUTES": "0.02"}
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    for name, options in (("worker", quiet), ("beat", ())):
        stack.python(
            *("-c", _WRONG_CLOCK, str(shift), "-A", "tasks", name, *options),
            log=name,
            **often,
        )

    eventually(lambda: manager.stats().sessions <= 301, within=60)
    eventually(lambda: store.record(CLEANUP).runs >= 3, within=30)

    assert manager.stats().sessions == 301
    manager.release(held)
    seconds, _ = redis.time()
    assert abs(store.record(CLEANUP).started - seconds) < 60
    assert abs(store.beat().tick - seconds) < 60


def test_of_many_runs_at_a_time_one_is_done(
    stack: Stack, redis: Redis, full_of: Full
) -> None:
    full_of(redis, 20_000)
    stack.worker("one")
    stack.worker("two")
    app = stack.app()

    sent = [app.send_task(CLEANUP, queue="upkeep") for _ in range(20)]

    reports = [one.get(timeout=60) for one in sent]
    removed = [one["removed"] for one in reports if "removed" in one]
    assert sum(removed) == 20_000
    assert max(removed) == 20_000
    assert {"left_out": "busy"} in reports


def test_sessions_that_are_too_much_for_the_limit_are_evicted(
    stack: Stack, redis: Redis, full_of: Full
) -> None:
    manager = full_of(redis, 6_000, expired=False)
    held = [manager.acquire(f"held{n}", hold=30) for n in range(20)]
    stack.worker(SESSION_MAX_MEMORY_MB="1")

    report = run(stack, "limit_memory")
    again = run(stack, "limit_memory")

    assert list(report["by_reason"]) == ["evicted"]
    assert 1_000 < manager.stats().sessions < 5_000
    assert again["removed"] == 0
    assert manager.stats().counters["closed_evicted"] == report["removed"]
    for lease in held:
        manager.release(lease)


def test_what_nobody_has_used_for_so_long_goes_too(
    stack: Stack, redis: Redis, full_of: Full
) -> None:
    manager = full_of(redis, 10, expired=False)
    manager.release(manager.acquire("new", hold=30))
    for info in list(manager.all()):
        if info.session != "new":
            redis.hset(
                KEYS.session(info.session), "x", int(info.expires * 1000) - 600_000
            )
    stack.worker()

    report = run(stack, max_age_minutes=5)

    assert report["removed"] == 10
    assert [one.session for one in manager.all()] == ["new"]


def test_leases_of_a_dead_worker_are_settled(
    stack: Stack, redis: Redis, full_of: Full
) -> None:
    manager = full_of(redis, 1, expired=False)
    held = [manager.acquire(f"s{n}", hold=30).token for n in range(120)]
    redis.zadd(KEYS.leases, dict.fromkeys(held, 1))
    stack.worker()

    report = run(stack, "settle_leases")

    assert (report["leases"], report["removed"]) == (120, 0)
    assert manager.stats().leases == 0
