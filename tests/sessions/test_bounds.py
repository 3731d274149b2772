"""What stays bounded when holders die, beat is away, or people step in."""

from collections.abc import Callable

import pytest
from redis import Redis

from limpet.errors import NoProxyAvailable
from limpet.keys import Keys
from proxies import HealthPolicy, Outcome, ProxyPool, ProxyRecord
from sessions import SessionManager, SessionPolicy
from sessions.session import Sticky

Managers = Callable[..., SessionManager]
KEYS = Keys("default")


def test_newcomers_clean_up_where_nothing_else_does(manager_of: Managers) -> None:
    manager = manager_of(idle_ttl=0.001)
    for n in range(20):
        manager.release(manager.acquire(f"old{n}", hold=30))

    # Each tenth cleans up, by lot: fewer than two of 300 once in 10**12 runs.
    for _ in range(300):
        lease = manager.acquire(None, hold=30, policy=SessionPolicy())
        manager.release(lease)

    assert manager.stats().sessions == 0


def test_a_session_whose_holder_died_is_not_older_than_it_may_be(
    manager: SessionManager, redis: Redis
) -> None:
    manager.release(manager.acquire("s", hold=30))
    [now, _] = redis.time()
    redis.hset(KEYS.session("s"), "a", (now + 60) * 1000)

    manager.acquire("s", hold=30)

    info = manager.get("s")
    assert info
    assert info.expires == info.max_age_at == now + 60


def test_a_move_by_hand_is_no_failure_of_the_proxy(
    manager_of: Managers, pool: ProxyPool
) -> None:
    manager = manager_of(max_rebinds=0)
    lease = manager.acquire("s", hold=30)
    manager.release(lease)
    pool.set_mode(lease.proxy.id, "disabled")

    moved = manager.acquire("s", hold=30)

    info = manager.get("s")
    assert moved.moved
    assert info
    assert info.rebinds == 0


def test_a_hard_session_that_tries_its_proxy_is_the_only_one(
    manager_of: Managers, pool: ProxyPool, records: list[ProxyRecord], redis: Redis
) -> None:
    only, *others = records
    for one in others:
        pool.set_mode(one.id, "disabled")
    health = HealthPolicy(max_failures=1, cooldown=100)
    manager = manager_of(health=health, sticky=Sticky.HARD)
    manager.release(manager.acquire("s", hold=30), Outcome.FAULT)
    redis.zadd(KEYS.cooling, {only.id: 1})
    redis.hset(KEYS.live_proxy(only.id), "due", 1)

    probe = manager.acquire("s", hold=30)
    with pytest.raises(NoProxyAvailable):
        manager.acquire("other", hold=30)
    manager.release(probe, Outcome.FAULT)

    [status] = pool.status([only])
    assert status.state == "unhealthy"
    assert 99 <= status.due <= 200
