"""A pool with little left: full proxies, leased sessions, filters without number."""

from collections.abc import Callable

import pytest
from redis import Redis

from limpet.errors import InvalidSelection, NoProxyAvailable, PoolFull
from limpet.keys import Keys
from proxies import Proxy, ProxyPool, ProxyRecord, Selection
from proxies.store import MAX_INDEXES, ProxyStore
from sessions import Full, SessionManager, SessionPolicy
from sessions.store import SessionStore

Managers = Callable[..., SessionManager]
KEYS = Keys("default")


@pytest.mark.parametrize("free", [0, 1])
def test_many_sessions_leave_a_proxy_where_hardly_another_one_is_free(
    redis: Redis, free: int
) -> None:
    records = [
        ProxyRecord(Proxy("http", f"10.9.{n // 250}.{n % 250}", 80), max_concurrency=1)
        for n in range(900)
    ]
    pool = ProxyPool(ProxyStore(redis, "default"))
    pool.publish(records[:1])
    manager = SessionManager(
        "default", SessionStore(redis, "default"), pool, policy=SessionPolicy()
    )
    for n in range(120):
        manager.release(manager.acquire(f"s{n}", hold=30))
    pool.publish(records[1:])
    for one in records[1 + free :]:
        redis.hset(KEYS.live_proxy(one.id), "inflight", 1)
    first = records[0].id
    pool.set_mode(first, "evacuating")

    steps = list(manager.evacuate(first))

    assert sum(step.moved for step in steps) == (120 if free else 0)
    assert sum(step.stuck for step in steps) == (0 if free else 120)
    where = records[1].id if free else first
    assert redis.hget(KEYS.loads, where) == b"120"


def test_one_choice_is_made_in_vain_and_not_one_for_each_session(
    redis: Redis, manager: SessionManager, records: list[ProxyRecord]
) -> None:
    homes = set()
    for n in range(40):
        lease = manager.acquire(f"s{n}", hold=30)
        homes.add(lease.proxy.id)
        manager.release(lease)
    for one in records:
        redis.hset(KEYS.live_proxy(one.id), mapping={"cap": 1, "inflight": 1})
    redis.config_resetstat()

    [first, *_] = homes
    list(manager.evacuate(first))

    # Each choice would look at the four others twice, by turns and by lot.
    assert redis.info("commandstats")["cmdstat_hmget"]["calls"] < 40 + 20


def test_there_is_room_where_those_that_end_first_are_leased(
    manager_of: Managers,
) -> None:
    manager = manager_of(max_sessions=300, full=Full.EVICT)
    for n in range(40):
        manager.release(manager.acquire(f"idle{n}", hold=30))
    leased = manager_of(max_sessions=300, idle_ttl=60)
    for n in range(260):
        leased.acquire(f"leased{n}", hold=20)

    made = [manager.acquire(f"new{n}", hold=30).created for n in range(5)]

    assert made == [True] * 5
    assert manager.stats().leases == 265


def test_there_is_none_where_all_are_leased(manager_of: Managers) -> None:
    manager = manager_of(max_sessions=10, full=Full.EVICT)
    for n in range(10):
        manager.acquire(f"leased{n}", hold=20)

    with pytest.raises(PoolFull):
        manager.acquire("new", hold=30)


def test_filters_that_fit_nobody_make_room_for_others(
    redis: Redis, manager: SessionManager
) -> None:
    for n in range(MAX_INDEXES + 20):
        with pytest.raises(NoProxyAvailable):
            manager.acquire("s", hold=30, selection=Selection(where=(f"tag:t{n}",)))

    selection = Selection("weighted")
    assert manager.acquire("s", hold=30, selection=selection).created
    assert redis.hlen(KEYS.registry) <= MAX_INDEXES


def test_who_wants_one_filter_too_many_is_told_of_what_there_are_too_many(
    redis: Redis, manager: SessionManager
) -> None:
    for n in range(MAX_INDEXES):
        redis.hset(KEYS.registry, f"tag:{n}:random", 1)
        redis.zadd(KEYS.index(f"tag:{n}:random"), {"a": 0})

    with pytest.raises(InvalidSelection, match=r"500 pairs of a filter .* strategy"):
        manager.acquire("s", hold=30, selection=Selection("weighted"))
