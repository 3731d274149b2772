"""How bad a proxy must be to be rested, for how long, and when it is forgiven."""

import pytest
from redis import Redis

from limpet.errors import SessionBusy
from proxies import HealthPolicy, Outcome, ProxyPool, ProxyRecord
from tests.proxies.pools import KEYS, Pools, record

PATIENT = HealthPolicy(max_failures=100)


def _state(pool: ProxyPool, one: ProxyRecord) -> str:
    [status] = pool.status([one])
    return status.state


def test_a_proxy_that_fails_more_often_than_not_is_rested(pool_of: Pools) -> None:
    pool, manager = pool_of([record(1)], health=PATIENT)

    seen = []
    for _ in range(10):
        manager.release(manager.acquire("s", hold=30), Outcome.FAULT)
        seen.append(_state(pool, record(1)))

    # Of fewer than ten requests its rate says nothing.
    assert seen == ["degraded"] * 9 + ["unhealthy"]


def test_a_proxy_is_degraded_until_four_of_five_requests_go_well(
    pool_of: Pools,
) -> None:
    pool, manager = pool_of([record(1)], health=PATIENT)

    seen = []
    for outcome in (*[Outcome.OK], *[Outcome.FAULT] * 2, *[Outcome.OK] * 3):
        manager.release(manager.acquire("s", hold=30), outcome)
        seen.append(_state(pool, record(1)))

    # 1, 0.8, 0.64, 0.71, 0.77, 0.82
    assert seen == ["healthy", *["degraded"] * 4, "healthy"]


def test_a_cool_down_is_an_hour_at_most(pool_of: Pools, redis: Redis) -> None:
    health = HealthPolicy(max_failures=1, cooldown=3000)
    pool, manager = pool_of([record(1)], health=health)
    for _ in range(4):
        redis.zadd(KEYS.cooling, {record(1).id: 1}, xx=True)
        manager.release(manager.acquire(None, hold=30), Outcome.FAULT)

    [status] = pool.status([record(1)])

    assert status.state == "unhealthy"
    assert 1800 - 5 <= status.due <= 3600


def test_proxies_that_fail_together_do_not_return_together(pool_of: Pools) -> None:
    records = [record(n) for n in range(20)]
    health = HealthPolicy(max_failures=1, cooldown=1000)
    pool, manager = pool_of(records, health=health)
    leases = [manager.acquire(None, hold=30) for _ in records]
    for lease in leases:
        manager.release(lease, Outcome.FAULT)

    dues = [status.due for status in pool.status(records)]

    assert all(499 <= due <= 1000 for due in dues)
    # Twenty within a tenth of where they may be: less than once in 10**18 runs.
    assert max(dues) - min(dues) > 50


@pytest.mark.parametrize(("minutes", "most"), [(11, 100), (9, 200)])
def test_ten_good_minutes_forgive_the_cool_downs_before(
    pool_of: Pools, redis: Redis, minutes: int, most: int
) -> None:
    health = HealthPolicy(max_failures=1, cooldown=100)
    pool, manager = pool_of([record(1)], health=health)
    manager.release(manager.acquire(None, hold=30), Outcome.FAULT)
    redis.zadd(KEYS.cooling, {record(1).id: 1})
    for _ in range(2):
        manager.release(manager.acquire(None, hold=30), Outcome.OK)
    assert _state(pool, record(1)) == "healthy"
    [now, _] = redis.time()
    redis.hset(KEYS.live_proxy(record(1).id), "since", (now - minutes * 60) * 1000)

    manager.release(manager.acquire(None, hold=30), Outcome.OK)
    manager.release(manager.acquire(None, hold=30), Outcome.FAULT)

    [status] = pool.status([record(1)])
    assert most / 2 - 1 <= status.due <= most


def test_a_ban_lasts_a_day_at_most(pool_of: Pools, redis: Redis) -> None:
    _, manager = pool_of([record(1)])
    bans = f"{KEYS.bans}shop.example"
    redis.hset(bans, record(1).id, "1:12")

    lease = manager.acquire(None, hold=30, domain="shop.example")
    manager.release(lease, Outcome.BLOCKED, domain="shop.example")

    found = redis.hget(bans, record(1).id)
    assert isinstance(found, bytes)
    [now, _] = redis.time()
    until = int(found.split(b":")[0]) / 1000
    assert until - now == pytest.approx(86_400, abs=5)


def test_a_session_waits_while_its_proxy_has_its_most_requests(pool_of: Pools) -> None:
    _, manager = pool_of([record(1, max_concurrency=1)])
    manager.release(manager.acquire("s", hold=30))
    other = manager.acquire("other", hold=30)

    with pytest.raises(SessionBusy) as caught:
        manager.acquire("s", hold=30)
    manager.release(other)

    assert caught.value.retry_after == 1.0
    assert not manager.acquire("s", hold=30).moved
