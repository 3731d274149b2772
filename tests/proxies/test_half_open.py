"""A proxy that was down is tried by one session at a time before it counts again."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from redis import Redis

from limpet.errors import NoProxyAvailable
from limpet.keys import Keys
from limpet.settings import Settings
from proxies import HealthPolicy, Outcome, ProxyPool, ProxyRecord, Tried
from sessions import SessionManager

Managers = Callable[..., SessionManager]
KEYS = Keys("default")
ONCE = HealthPolicy(max_failures=1, cooldown=60)


@pytest.fixture
def down(
    manager_of: Managers, pool: ProxyPool, records: list[ProxyRecord], redis: Redis
) -> tuple[SessionManager, ProxyRecord]:
    """A pool whose only enabled proxy has failed, and may be tried now."""
    only, *others = records
    for one in others:
        pool.set_mode(one.id, "disabled")
    manager = manager_of(health=ONCE)
    manager.release(manager.acquire(None, hold=30), Outcome.FAULT)
    redis.zadd(KEYS.cooling, {only.id: 1})
    redis.hset(KEYS.live_proxy(only.id), "due", 1)
    return manager, only


def test_only_one_session_tries_it(
    down: tuple[SessionManager, ProxyRecord], pool: ProxyPool
) -> None:
    manager, proxy = down

    probe = manager.acquire("a", hold=30)
    with pytest.raises(NoProxyAvailable):
        manager.acquire("b", hold=30)

    assert probe.proxy.id == proxy.id
    assert pool.status([proxy])[0].state == "unhealthy"


def test_nobody_else_tries_it_for_as_long_as_the_lease_is_renewed(
    down: tuple[SessionManager, ProxyRecord], pool: ProxyPool, redis: Redis
) -> None:
    manager, proxy = down
    probe = manager.acquire("a", hold=30)
    redis.zadd(KEYS.cooling, {proxy.id: 1})  # the first hold is over
    redis.hset(KEYS.live_proxy(proxy.id), "due", 1)

    manager.renew(probe, hold=30)

    with pytest.raises(NoProxyAvailable):
        manager.acquire("b", hold=30)
    manager.release(probe, Outcome.FAULT)
    assert pool.status([proxy])[0].due > 60


def test_a_success_brings_it_back_step_by_step(
    down: tuple[SessionManager, ProxyRecord], pool: ProxyPool
) -> None:
    manager, proxy = down
    states = []
    for _ in range(6):
        manager.release(manager.acquire("a", hold=30), Outcome.OK)
        states.append(pool.status([proxy])[0].state)

    assert states[0] == "degraded"
    assert states[-1] == "healthy"
    assert manager.acquire("b", hold=30).proxy.id == proxy.id


def test_a_failure_sends_it_away_for_longer(
    down: tuple[SessionManager, ProxyRecord], pool: ProxyPool
) -> None:
    manager, proxy = down

    manager.release(manager.acquire("a", hold=30), Outcome.FAULT)

    [status] = pool.status([proxy])
    assert status.state == "unhealthy"
    assert 60 <= status.due <= 120


def test_a_probe_whose_caller_dies_frees_itself(
    manager_of: Managers,
    down: tuple[SessionManager, ProxyRecord],
    eventually: Callable[..., None],
) -> None:
    _, proxy = down
    short = manager_of(margin=0, health=ONCE)
    short.acquire("dead", hold=0.2)

    def tried() -> bool:
        try:
            return short.acquire("b", hold=30).proxy.id == proxy.id
        except NoProxyAvailable:
            return False

    assert not tried()
    eventually(tried)


def test_looking_takes_no_probe(
    down: tuple[SessionManager, ProxyRecord], pool: ProxyPool
) -> None:
    manager, proxy = down

    for _ in range(5):
        pool.status([proxy])
        manager.stats()
        list(manager.all())

    assert manager.acquire("a", hold=30).proxy.id == proxy.id


def test_a_sticky_session_tries_it_only_when_there_is_no_other(
    manager_of: Managers, pool: ProxyPool, records: list[ProxyRecord], redis: Redis
) -> None:
    manager = manager_of(health=ONCE)
    manager.release(manager.acquire("s", hold=30), Outcome.OK)
    lease = manager.acquire("s", hold=30)
    manager.release(lease, Outcome.FAULT)
    redis.zadd(KEYS.cooling, {lease.proxy.id: 1})

    moved = manager.acquire("s", hold=30)
    fresh = manager.acquire(None, hold=30)

    assert moved.proxy != lease.proxy
    assert fresh.proxy == lease.proxy


def test_what_was_on_its_way_when_it_went_down_is_no_news(
    manager_of: Managers, pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    for one in records[1:]:
        pool.set_mode(one.id, "disabled")
    manager = manager_of(health=ONCE)
    leases = [manager.acquire(f"s{n}", hold=30) for n in range(5)]

    for lease in leases:
        manager.release(lease, Outcome.FAULT)

    [status] = pool.status(records[:1])
    assert 30 <= status.due <= 60
    assert status.faults == 5


def test_an_unhealthy_proxy_recovers_by_any_success(
    manager_of: Managers, pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    for one in records[1:]:
        pool.set_mode(one.id, "disabled")
    manager = manager_of(health=ONCE)
    slow = manager.acquire("slow", hold=30)
    manager.release(manager.acquire("quick", hold=30), Outcome.FAULT)

    manager.release(slow, Outcome.OK)

    assert pool.status(records[:1])[0].state == "degraded"
    assert manager.acquire("new", hold=30).created


def test_after_six_times_it_is_dead_and_tried_once_a_day(
    manager_of: Managers, pool: ProxyPool, records: list[ProxyRecord], redis: Redis
) -> None:
    for one in records[1:]:
        pool.set_mode(one.id, "disabled")
    manager = manager_of(health=ONCE)
    for _ in range(6):
        manager.release(manager.acquire(None, hold=30), Outcome.FAULT)
        redis.zadd(KEYS.cooling, {records[0].id: 1})

    [status] = pool.status(records[:1])

    assert status.state == "dead"
    assert 43_000 < status.due <= 86_400


def test_a_proxy_that_refuses_our_password_is_dead_after_three_times(
    manager_of: Managers, pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    for one in records[1:]:
        pool.set_mode(one.id, "disabled")
    manager = manager_of()
    for _ in range(3):
        manager.release(manager.acquire(None, hold=30), Outcome.REFUSED)

    assert pool.status(records[:1])[0].state == "dead"
    with pytest.raises(NoProxyAvailable):
        manager.acquire("a", hold=30)
    pool.publish([replace(records[0], proxy=replace(records[0].proxy, password="new"))])
    assert manager.acquire("a", hold=30).proxy.password == "new"


def test_a_test_from_outside_heals_or_hurts(
    down: tuple[SessionManager, ProxyRecord], pool: ProxyPool
) -> None:
    manager, proxy = down

    states = [pool.report(proxy.id, Tried(Outcome.OK, 0.1)).state for _ in range(2)]

    assert states[0] == "degraded"
    assert manager.acquire("a", hold=30).proxy.id == proxy.id
    assert pool.report("0123456789", Tried(Outcome.OK, 0.1)).state == ""


def test_recent_failures_slide_out_of_the_window(
    manager: SessionManager, pool: ProxyPool, redis: Redis
) -> None:
    lease = manager.acquire("s", hold=30)
    manager.release(lease, Outcome.FAULT)
    record = ProxyRecord(lease.proxy)
    before = pool.status([record])[0]
    key = KEYS.live_proxy(record.id)

    redis.hincrby(key, "win", -450_000)
    half = pool.status([record])[0]
    redis.hincrby(key, "win", -450_000)
    after = pool.status([record])[0]

    assert (before.recent, before.recent_faults) == (1, 1)
    assert half.recent <= 1
    assert (after.recent, after.recent_faults) == (0, 0)


def test_the_first_request_sets_the_average_and_later_ones_move_it(
    manager: SessionManager, pool: ProxyPool
) -> None:
    first = manager.acquire("s", hold=30)
    manager.release(first, Outcome.OK, elapsed=0.1, size=1000)
    then = manager.acquire("s", hold=30)
    manager.release(then, Outcome.OK, elapsed=0.2, size=1000)

    [status] = pool.status([ProxyRecord(then.proxy)])

    assert status.response_ms == 120.0
    assert (status.started, status.done, status.inflight) == (2, 2, 0)
    assert (status.bytes, status.success) == (2000, 1.0)


def test_how_much_the_newest_request_counts_is_a_setting(
    manager_of: Managers, pool: ProxyPool
) -> None:
    health = HealthPolicy.of(Settings(proxy_ema_alpha=0.5))
    manager = manager_of(health=health)
    manager.release(manager.acquire("s", hold=30), Outcome.OK, elapsed=0.1)
    then = manager.acquire("s", hold=30)
    manager.release(then, Outcome.OK, elapsed=0.2)

    [status] = pool.status([ProxyRecord(then.proxy)])

    assert status.response_ms == 150.0


def test_a_probe_that_says_nothing_makes_the_next_one_wait_a_little(
    down: tuple[SessionManager, ProxyRecord], pool: ProxyPool
) -> None:
    manager, proxy = down
    manager.release(manager.acquire("a", hold=300), Outcome.NONE)

    assert 10 < pool.status([proxy])[0].due <= 15


def test_a_proxy_that_a_domain_blocks_is_back(
    down: tuple[SessionManager, ProxyRecord], pool: ProxyPool
) -> None:
    manager, proxy = down
    lease = manager.acquire("a", hold=30, domain="shop.example")

    manager.release(lease, Outcome.BLOCKED, domain="shop.example")

    assert pool.status([proxy])[0].state == "degraded"


def test_a_test_that_says_nothing_leaves_the_cool_down_alone(
    manager_of: Managers, pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    lease = manager_of(health=ONCE).acquire("s", hold=30)
    manager_of(health=ONCE).release(lease, Outcome.FAULT)
    record = ProxyRecord(lease.proxy)

    pool.report(record.id, Tried(Outcome.BLOCKED, 0.1))

    [status] = pool.status([record])
    assert (status.state, status.due > 20) == ("unhealthy", True)
