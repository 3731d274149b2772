"""Proxies that are blocked, degraded, drained, left, removed or expired."""

from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from proxies import DIRECT, HealthPolicy, Outcome, ProxyPool
from proxies.store import ProxyStore
from tests.proxies.pools import KEYS, Pools, picks, record


def test_a_proxy_is_left_alone_where_it_is_blocked(pool_of: Pools) -> None:
    _, manager = pool_of([record(n) for n in range(2)])
    lease = manager.acquire("s", hold=30, domain="shop.example")
    manager.release(lease, Outcome.BLOCKED, domain="shop.example")

    moved = manager.acquire("s", hold=30, domain="shop.example")
    manager.release(moved)
    elsewhere = manager.acquire("other", hold=30, domain="news.example")

    assert moved.proxy != lease.proxy
    assert {elsewhere.proxy, moved.proxy, lease.proxy} == {moved.proxy, lease.proxy}
    assert manager.acquire("third", hold=30, domain="shop.example").proxy == moved.proxy


def test_a_ban_is_longer_each_time(pool_of: Pools, redis: Redis) -> None:
    _, manager = pool_of([record(1)])
    key = f"{KEYS.bans}shop.example"
    waits = []
    for _ in range(3):
        lease = manager.acquire(None, hold=30, domain="shop.example")
        manager.release(lease, Outcome.BLOCKED, domain="shop.example")
        [seconds, _] = redis.time()
        until, times = _text(redis.hget(key, record(1).id)).split(":")
        waits.append(round(int(until) / 1000 - int(seconds), -1))
        redis.hset(key, record(1).id, f"1:{times}")

    assert waits == [600, 1200, 2400]
    assert redis.ttl(key) > 86_400


@pytest.mark.parametrize(("asked", "seconds"), [(5, 600), (700, 1200), (3600, 4800)])
def test_a_ban_lasts_as_long_as_the_site_says_at_least(
    pool_of: Pools, redis: Redis, asked: float, seconds: int
) -> None:
    _, manager = pool_of([record(1)])
    leases = [manager.acquire(None, hold=30, domain="shop.example") for _ in range(2)]

    for lease, ban in zip(leases, (0, asked), strict=True):
        manager.release(lease, Outcome.BLOCKED, domain="shop.example", ban=ban)

    [now, _] = redis.time()
    until = _text(redis.hget(f"{KEYS.bans}shop.example", record(1).id)).split(":")[0]
    assert int(until) / 1000 - int(now) == pytest.approx(seconds, abs=5)


def test_bans_of_proxies_that_are_gone_are_forgotten(
    pool_of: Pools, redis: Redis
) -> None:
    records = [record(n) for n in range(60)]
    _, manager = pool_of(records)
    key = f"{KEYS.bans}shop.example"
    [now, _] = redis.time()
    recent = (now - 80_000) * 1000
    redis.hset(key, mapping={"recent": f"{recent}:2"})
    redis.hset(key, mapping={f"gone{n}": f"{recent - 7_000_000}:2" for n in range(100)})

    for _ in records:
        lease = manager.acquire(None, hold=30, domain="shop.example")
        manager.release(lease, Outcome.BLOCKED, domain="shop.example")

    kept = set(map(_text, redis.hkeys(key)))
    assert kept >= {"recent", *(one.id for one in records)}
    assert len(kept) < 61 + 50


def _text(value: object) -> str:
    assert isinstance(value, bytes)
    return value.decode()


def test_blocked_by_five_domains_a_proxy_gets_fewer_sessions(pool_of: Pools) -> None:
    pool, manager = pool_of([record(1)])
    manager.release(manager.acquire(None, hold=30), Outcome.OK)
    for n in range(5):
        lease = manager.acquire(None, hold=30, domain=f"{n}.example")
        manager.release(lease, Outcome.BLOCKED, domain=f"{n}.example")

    assert pool.status([record(1)])[0].state == "degraded"


def test_a_degraded_proxy_gets_a_quarter_and_keeps_its_sessions(pool_of: Pools) -> None:
    _, manager = pool_of([record(n) for n in range(2)])
    bound = manager.acquire("s", hold=30)
    manager.release(bound, Outcome.FAULT)

    seen = picks(manager, 100)

    assert seen[bound.proxy.id] == pytest.approx(20, abs=2)
    assert manager.acquire("s", hold=30).proxy == bound.proxy


def test_a_draining_proxy_keeps_its_sessions_and_gets_no_new_ones(
    pool_of: Pools,
) -> None:
    pool, manager = pool_of([record(n) for n in range(2)])
    bound = manager.acquire("s", hold=30)
    manager.release(bound)

    pool.set_mode(bound.proxy.id, "draining")

    assert bound.proxy.id not in picks(manager, 4)
    assert manager.acquire("s", hold=30).proxy == bound.proxy
    pool.set_mode(bound.proxy.id, "")
    assert bound.proxy.id in picks(manager, 4)


@pytest.mark.parametrize("mode", ["evacuating", "disabled", "removed"])
def test_sessions_leave_a_proxy_that_must_be_left(pool_of: Pools, mode: str) -> None:
    pool, manager = pool_of([record(n) for n in range(2)])
    bound = manager.acquire("s", hold=30)
    manager.release(bound)

    assert pool.set_mode(bound.proxy.id, mode)

    moved = manager.acquire("s", hold=30)
    assert moved.moved
    assert bound.proxy.id not in picks(manager, 4)


def test_a_removed_proxy_is_forgotten_when_its_last_session_has_left(
    pool_of: Pools, redis: Redis
) -> None:
    pool, manager = pool_of([record(n) for n in range(2)])
    bound = manager.acquire("s", hold=30)
    pool.set_mode(bound.proxy.id, "removed")
    assert redis.exists(KEYS.live_proxy(bound.proxy.id))

    manager.release(bound, Outcome.OK)
    manager.release(manager.acquire("s", hold=30))

    assert not redis.exists(KEYS.live_proxy(bound.proxy.id))
    assert not redis.exists(KEYS.proxy(bound.proxy.id))


def test_an_expired_proxy_is_neither_chosen_nor_kept(
    pool_of: Pools, redis: Redis
) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    pool, manager = pool_of([record(1, expires=soon), record(2)])
    bound = next(
        lease
        for n in range(2)
        if (lease := manager.acquire(f"s{n}", hold=30)).proxy.id == record(1).id
    )
    manager.release(bound)

    redis.hset(KEYS.live_proxy(record(1).id), "ends", 1)

    assert set(picks(manager, 4)) == {record(2).id}
    assert manager.acquire(bound.session, hold=30).moved
    assert pool.status([record(1, expires=soon)])[0].mode == "expired"


def test_publishing_again_neither_heals_nor_hurts(pool_of: Pools) -> None:
    records = [record(n) for n in range(2)]
    pool, manager = pool_of(records, health=HealthPolicy(max_failures=1))
    lease = manager.acquire("s", hold=30)
    manager.release(lease, Outcome.FAULT)

    pool.publish(records)

    [status] = pool.status([one for one in records if one.id == lease.proxy.id])
    assert (status.state, status.sessions) == ("unhealthy", 1)
    assert lease.proxy.id not in picks(manager, 4)


def test_a_removed_proxy_is_not_forgotten_while_a_request_is_on_its_way(
    pool_of: Pools, redis: Redis
) -> None:
    pool, manager = pool_of([record(n) for n in range(2)])
    lease = manager.acquire("s", hold=30)
    pool.set_mode(lease.proxy.id, "removed")

    manager.close("s")

    assert redis.exists(KEYS.live_proxy(lease.proxy.id))
    manager.release(lease, Outcome.OK)
    assert not redis.exists(KEYS.live_proxy(lease.proxy.id))


def test_publishing_brings_back_what_the_records_say(
    pool_of: Pools, redis: Redis
) -> None:
    records = [
        record(0, mode="draining"),
        record(1, mode="evacuating"),
        record(2, mode="draining", enabled=False),
        record(3),
    ]
    pool, manager = pool_of(records)
    redis.flushdb()

    pool.publish(records)

    modes = [status.mode for status in pool.status(records)]
    assert modes == ["draining", "evacuating", "disabled", ""]
    assert set(picks(manager, 4)) == {record(3).id}


def test_publishing_undoes_what_the_records_do_not_say(pool_of: Pools) -> None:
    pool, _ = pool_of([record(1)])
    pool.set_mode(record(1).id, "draining")

    pool.publish([record(1)])

    assert pool.status([record(1)])[0].mode == ""


def test_publishing_leaves_a_direct_pool_as_it_was_asked_to_be(redis: Redis) -> None:
    pool = ProxyPool(ProxyStore(redis, "eu"), direct=True)
    pool.publish([DIRECT])
    pool.set_mode(DIRECT.id, "draining")

    pool.publish([DIRECT])

    assert pool.status([DIRECT])[0].mode == "draining"
