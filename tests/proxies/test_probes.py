"""Which proxies are tried out, in whose turn, and what of their exit is remembered."""

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from limpet.errors import NoProxyAvailable
from limpet.keys import Keys
from proxies import HealthPolicy, Outcome, Proxy, ProxyPool, ProxyRecord, Tried
from proxies.store import ProxyStore
from sessions import SessionManager

Eventually = Callable[..., None]
Managers = Callable[..., SessionManager]
KEYS = Keys("default")
ONCE = HealthPolicy(max_failures=1, cooldown=60)
HOUR = 3600.0


def ids(pool: ProxyPool, token: str = "t", *, most: int = 20, **how: float) -> set[str]:
    times = {"hold": 25.0, "again": HOUR, **how}
    return {one for one, _ in pool.probes(token, most=most, **times)}


def fail(redis: Redis, record: ProxyRecord) -> None:
    """Send a proxy to rest, and let its cool-down be over."""
    strict = ProxyPool(ProxyStore(redis, "default"), health=ONCE)
    strict.report(record.id, Tried(Outcome.FAULT, 0.1))
    redis.zadd(KEYS.cooling, {record.id: 1})
    redis.hset(KEYS.live_proxy(record.id), "due", 1)


def many(redis: Redis) -> tuple[ProxyPool, list[ProxyRecord]]:
    """Make a pool that no single step can look through."""
    places = [f"10.8.{n // 250}.{n % 250}" for n in range(1200)]
    records = [ProxyRecord(Proxy("http", one, 80)) for one in places]
    pool = ProxyPool(ProxyStore(redis, "default"))
    pool.publish(records)
    return pool, records


def test_those_that_nobody_has_used_are_tried_once(
    pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    first = ids(pool)
    again = ids(pool)

    assert first == {one.id for one in records}
    assert again == set()


def test_those_that_are_well_are_tried_again_after_a_while(
    pool: ProxyPool, records: list[ProxyRecord], eventually: Eventually
) -> None:
    for one in records:
        pool.report(one.id, Tried(Outcome.OK, 0.1))
    ids(pool)

    assert ids(pool) == set()
    eventually(lambda: len(ids(pool, again=0.1)) == len(records))


def test_one_that_cools_down_is_tried_when_it_is_due(
    pool: ProxyPool, records: list[ProxyRecord], redis: Redis
) -> None:
    ids(pool)
    fail(redis, records[0])
    fail(redis, records[1])
    redis.zadd(KEYS.cooling, {records[1].id: 10**13})

    assert ids(pool) == {records[0].id}


def test_a_cooling_one_is_tried_by_one_at_a_time(
    manager_of: Managers, pool: ProxyPool, records: list[ProxyRecord], redis: Redis
) -> None:
    ids(pool)
    fail(redis, records[0])

    first, second = ids(pool, "a"), ids(pool, "b")
    leased = manager_of(health=ONCE).acquire(None, hold=30)

    assert (first, second) == ({records[0].id}, set())
    assert leased.proxy.id != records[0].id


def test_a_turn_whose_prober_dies_is_free_again(
    pool: ProxyPool,
    records: list[ProxyRecord],
    redis: Redis,
    eventually: Eventually,
) -> None:
    ids(pool)
    fail(redis, records[0])

    dead = ids(pool, "dead", hold=0.3)

    assert dead == {records[0].id}
    assert ids(pool, "next") == set()
    eventually(lambda: ids(pool, "next") == {records[0].id})


def test_the_verdict_of_a_turn_counts(
    pool: ProxyPool, records: list[ProxyRecord], redis: Redis
) -> None:
    ids(pool)
    for one in records[:2]:
        fail(redis, one)
    ids(pool, "a")

    well = pool.report(records[0].id, Tried(Outcome.OK, 0.1, token="a"))
    bad = pool.report(records[1].id, Tried(Outcome.FAULT, 0.1, token="a"))

    assert (well.state, bad.state) == ("degraded", "unhealthy")
    assert 29 < pool.status(records)[1].due <= 60  # twice as long as before


def test_who_was_late_has_lost_his_turn(
    pool: ProxyPool, records: list[ProxyRecord], redis: Redis
) -> None:
    ids(pool)
    fail(redis, records[0])
    ids(pool, "slow", hold=0.001)
    fail(redis, records[0])  # due once more
    ids(pool, "quick")

    pool.report(records[0].id, Tried(Outcome.FAULT, 0.1, token="slow"))

    held = redis.hget(KEYS.live_proxy(records[0].id), "probe")
    assert held == b"quick"


def test_a_probe_without_a_verdict_leaves_it_to_the_next_one(
    pool: ProxyPool, records: list[ProxyRecord], redis: Redis
) -> None:
    ids(pool)
    fail(redis, records[0])
    ids(pool, "a", hold=HOUR)

    standing = pool.report(records[0].id, Tried(Outcome.NONE, 0.1, token="a"))

    assert standing.state == "unhealthy"
    assert 10 <= pool.status(records)[0].due <= 15


def test_a_quarter_is_left_for_those_that_do_not_cool(
    pool: ProxyPool, records: list[ProxyRecord], redis: Redis
) -> None:
    for one in records[:4]:
        fail(redis, one)

    some = ids(pool, most=4)

    assert records[4].id in some
    assert len(some) == 4


@pytest.mark.parametrize("mode", ["draining", "evacuating", "disabled", "removed"])
def test_what_a_person_has_taken_out_is_left_alone(
    pool: ProxyPool, records: list[ProxyRecord], redis: Redis, mode: str
) -> None:
    fail(redis, records[0])
    for one in records[:2]:
        pool.set_mode(one.id, mode)

    assert ids(pool) == {one.id for one in records[2:]}


def test_a_proxy_at_its_limit_is_not_tried(redis: Redis) -> None:
    record = ProxyRecord(Proxy("http", "10.9.0.1", 80), max_concurrency=1)
    pool = ProxyPool(ProxyStore(redis, "default"))
    pool.publish([record])
    redis.hset(KEYS.live_proxy(record.id), "inflight", 1)

    assert ids(pool) == set()


def test_all_of_many_have_their_turn_though_a_step_is_bounded(redis: Redis) -> None:
    records = [
        ProxyRecord(Proxy("http", f"10.8.{n // 250}.{n % 250}", 80))
        for n in range(1200)
    ]
    pool = ProxyPool(ProxyStore(redis, "default"))
    pool.publish(records)

    seen: set[str] = set()
    for _ in range(10):
        found = ids(pool, most=300)
        assert not found & seen
        seen |= found

    assert seen == {one.id for one in records}


def test_the_last_of_many_is_found_in_one_call(redis: Redis) -> None:
    records = [
        ProxyRecord(Proxy("http", f"10.8.{n // 250}.{n % 250}", 80))
        for n in range(1200)
    ]
    pool = ProxyPool(ProxyStore(redis, "default"))
    pool.publish(records)
    last = max(one.id for one in records)
    for one in records:
        if one.id != last:
            pool.report(one.id, Tried(Outcome.OK, 0.1))
            redis.hset(KEYS.live_proxy(one.id), "tried", 10**13)

    assert ids(pool, most=1) == {last}


def test_an_exit_that_changes_under_a_session_is_told(
    manager: SessionManager, pool: ProxyPool, redis: Redis
) -> None:
    proxy = manager.acquire("s", hold=30).proxy
    told = [
        pool.report(proxy.id, Tried(Outcome.OK, 0.1, exit=one)).exit_changed
        for one in ("198.51.100.1", "198.51.100.1", "", "198.51.100.2")
    ]

    reader: Any = redis
    events = [one for _, one in reader.xrevrange(KEYS.audit)]
    [event] = [one for one in events if one[b"event"] == b"exit_changed"]
    assert told == [False, False, False, True]
    assert event == {
        b"event": b"exit_changed",
        b"proxy": proxy.id.encode(),
        b"from": b"198.51.100.1",
        b"to": b"198.51.100.2",
        b"sessions": b"1",
    }
    assert manager.stats().counters["exit_changes"] == 1


def test_an_exit_that_changes_under_nobody_is_no_news(
    pool: ProxyPool, records: list[ProxyRecord], redis: Redis
) -> None:
    told = [
        pool.report(records[0].id, Tried(Outcome.OK, 0.1, exit=one)).exit_changed
        for one in ("198.51.100.1", "198.51.100.2")
    ]

    assert told == [False, False]
    assert redis.hget(KEYS.live_proxy(records[0].id), "exit") == b"198.51.100.2"


def test_a_proxy_that_was_forgotten_meanwhile_stays_so(
    pool: ProxyPool, records: list[ProxyRecord], redis: Redis
) -> None:
    ids(pool)
    pool.set_mode(records[0].id, "removed")

    standing = pool.report(
        records[0].id, Tried(Outcome.OK, 0.1, token="t", exit="198.51.100.1")
    )

    assert standing.state == ""
    assert not redis.exists(KEYS.live_proxy(records[0].id))


def test_a_resting_proxy_whose_time_is_over_keeps_nobody_waiting(
    manager_of: Managers, redis: Redis, pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    for one in records[1:]:
        pool.set_mode(one.id, "disabled")
    fail(redis, records[0])
    redis.hset(KEYS.live_proxy(records[0].id), "ends", 1)

    assert ids(pool) == set()

    assert redis.zcard(KEYS.cooling) == 0
    with pytest.raises(NoProxyAvailable) as caught:
        manager_of().acquire("s", hold=30)
    assert caught.value.retry_after is None


def test_one_that_cannot_be_tried_now_is_due_when_it_says(
    redis: Redis, pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    fail(redis, records[0])
    key = KEYS.live_proxy(records[0].id)
    redis.hset(key, mapping={"cap": 1, "inflight": 1})

    assert records[0].id not in ids(pool)

    due = redis.zscore(KEYS.cooling, records[0].id)
    assert due == float(redis.hget(key, "due") or 0) > 1
