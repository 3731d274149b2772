"""A session's life: both clocks, the clean-up, and what the figures say."""

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from limpet.errors import SessionBusy
from limpet.keys import Keys
from proxies import HealthPolicy, Outcome, ProxyPool, ProxyRecord
from sessions import SessionManager
from sessions.state import StatePatch

Managers = Callable[..., SessionManager]
KEYS = Keys("default")


def test_use_renews_a_session_but_never_beyond_its_greatest_age(
    manager_of: Managers, redis: Redis
) -> None:
    manager = manager_of(idle_ttl=60, max_age=90)
    manager.release(manager.acquire("s", hold=30))
    created, expires, ends = _times(redis)

    redis.hset(KEYS.session("s"), "a", expires + 1000)
    manager.release(manager.acquire("s", hold=30))

    assert expires - created == pytest.approx(60_000, abs=1000)
    assert ends - created == 90_000
    assert _times(redis)[1] <= expires + 1000


def test_the_clean_up_leaves_sessions_that_were_used_since(
    manager_of: Managers, redis: Redis
) -> None:
    manager = manager_of()
    for name in ("used", "idle"):
        cookies: StatePatch = {"cookies": [{"name": "c", "value": "1"}]}
        manager.release(manager.acquire(name, hold=30), patch=cookies)
    redis.zadd(KEYS.expiry, {"used": 1, "idle": 1})
    redis.hset(KEYS.session("idle"), "x", 1)

    step = manager.expire(50)

    assert (step.sessions, manager.stats().sessions) == (1, 1)
    assert not manager.acquire("used", hold=30).created
    assert manager.stats().expired_waiting == 0
    kept = [redis.exists(KEYS.state(name)) for name in ("used", "idle")]
    assert kept == [1, 0]


def test_the_clean_up_never_takes_a_session_in_use(
    manager_of: Managers, redis: Redis
) -> None:
    manager = manager_of(idle_ttl=0.001)
    lease = manager.acquire("s", hold=30)
    redis.zadd(KEYS.expiry, {"s": 1})

    assert manager.expire(50).sessions == 0
    assert manager.release(lease, patch={"cookies": [{"name": "c"}]}) > 0


def test_the_clean_up_goes_in_batches_and_says_when_it_is_done(
    manager_of: Managers, pool: ProxyPool, redis: Redis
) -> None:
    manager = manager_of(idle_ttl=0.001)
    leases = [manager.acquire(f"s{n}", hold=30) for n in range(120)]
    for lease in leases:
        manager.release(lease, patch={"cookies": [{"name": "c"}]})
    redis.zadd(KEYS.expiry, {f"s{n}": 1 for n in range(120)})

    steps = [manager.expire(50) for _ in range(3)]

    assert [step.sessions for step in steps] == [50, 50, 20]
    assert [step.more for step in steps] == [True, True, False]
    bound = pool.status([ProxyRecord(one) for one in {lease.proxy for lease in leases}])
    assert [one.sessions for one in bound] == [0] * 5
    assert list(redis.scan_iter(match="*:s*:*")) == []


def test_the_counts_of_sessions_follow_a_session_that_moves(
    manager: SessionManager, pool: ProxyPool
) -> None:
    first = manager.acquire("s", hold=30)
    manager.release(first, Outcome.FAULT)
    for _ in range(2):
        manager.release(manager.acquire("s", hold=30), Outcome.FAULT)

    moved = manager.acquire("s", hold=30)

    bound = pool.status([ProxyRecord(first.proxy), ProxyRecord(moved.proxy)])
    assert [one.sessions for one in bound] == [0, 1]


def test_half_a_fault_counts_half(manager: SessionManager, pool: ProxyPool) -> None:
    for _ in range(5):
        manager.release(manager.acquire("s", hold=30), Outcome.FAULT, fault=0.5)
    lease = manager.acquire("s", hold=30)
    manager.release(lease, Outcome.FAULT, fault=0.5)

    assert pool.status([ProxyRecord(lease.proxy)])[0].state == "unhealthy"


def test_a_success_forgives_what_was_before(manager: SessionManager) -> None:
    fault, well = Outcome.FAULT, Outcome.OK
    for outcome in [fault, fault, well, well, well, well] * 10:
        manager.release(manager.acquire("s", hold=30), outcome)

    assert manager.acquire("s", hold=30).generation == 1


def test_each_further_cool_down_is_longer(
    manager_of: Managers, pool: ProxyPool, redis: Redis
) -> None:
    manager = manager_of(health=HealthPolicy(max_failures=1, cooldown=100))
    lease = manager.acquire(None, hold=30)
    waits = []
    for _ in range(3):
        manager.release(lease, Outcome.FAULT)
        waits.append(pool.status([ProxyRecord(lease.proxy)])[0].due)
        redis.zadd(KEYS.cooling, {lease.proxy.id: 1})
        lease = manager.acquire(None, hold=30)

    for wait, most in zip(waits, (100, 200, 400), strict=True):
        assert most / 2 - 1 <= wait <= most


def _times(redis: Redis) -> list[int]:
    found: Any = redis.hmget(KEYS.session("s"), "m", "x", "a")
    max_age, expires, ends = map(int, found)
    return [ends - max_age, expires, ends]


def test_an_expired_session_is_not_taken_for_a_living_one(
    manager: SessionManager, redis: Redis
) -> None:
    manager.release(manager.acquire("s", hold=30), patch={"user_agent": "old"})
    redis.hset(KEYS.session("s"), "x", 1)

    lease = manager.acquire("s", hold=30)

    assert lease.created
    assert lease.state.user_agent == ""


def test_a_full_redis_can_be_cleaned_up(manager: SessionManager, redis: Redis) -> None:
    for name in ("used", "idle"):
        manager.release(manager.acquire(name, hold=30))
    redis.hset(KEYS.session("idle"), "x", 1)
    redis.zadd(KEYS.expiry, {"used": 1, "idle": 2})
    redis.config_set("maxmemory", 1)

    try:
        step = manager.expire(50)
    finally:
        redis.config_set("maxmemory", 0)

    assert step.sessions == 1
    assert manager.get("used")


@pytest.mark.parametrize("field", ["a", "x"])
def test_a_session_that_is_never_idle_ends_all_the_same(
    manager_of: Managers, redis: Redis, field: str
) -> None:
    manager = manager_of(max_leases=3, auto_renew=field == "a")
    first, second = (manager.acquire("s", hold=30) for _ in range(2))

    redis.hset(KEYS.session("s"), field, 1)

    with pytest.raises(SessionBusy):
        manager.acquire("s", hold=30)
    manager.release(first)
    with pytest.raises(SessionBusy):
        manager.acquire("s", hold=30)
    manager.release(second)
    assert manager.acquire("s", hold=30).created
