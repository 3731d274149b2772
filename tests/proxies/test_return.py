"""A proxy that cools down, is gone for a while, or is past its time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from limpet.errors import InvalidSelection, NoProxyAvailable, SessionLost
from limpet.keys import Keys
from proxies import (
    HealthPolicy,
    Outcome,
    Proxy,
    ProxyPool,
    ProxyRecord,
    Selection,
    Tried,
)
from proxies.store import MAX_INDEXES, ProxyStore
from sessions import SessionManager
from sessions.session import Sticky

Managers = Callable[..., SessionManager]
KEYS = Keys("default")
QUICK = HealthPolicy(max_failures=1, cooldown=600)


def _trip(redis: Redis, pool: ProxyPool, records: list[ProxyRecord]) -> None:
    """Let all of *records* fail, and their cool-downs end."""
    for record in records:
        for _ in range(3):
            pool.report(record.id, Tried(Outcome.FAULT, 1))
    redis.zadd(KEYS.cooling, {record.id: 1 for record in records})


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("over", [EPOCH, EPOCH - timedelta(days=1)])
def test_a_proxy_that_ended_long_ago_is_never_used(
    manager: SessionManager,
    pool: ProxyPool,
    records: list[ProxyRecord],
    over: datetime,
) -> None:
    ended = [replace(record, expires=over) for record in records]
    pool.publish(ended)

    with pytest.raises(NoProxyAvailable):
        manager.acquire("s", hold=30)

    assert {status.mode for status in pool.status(ended)} == {"expired"}


def test_an_expired_proxy_is_not_tried_again(
    manager: SessionManager, pool: ProxyPool, redis: Redis, records: list[ProxyRecord]
) -> None:
    _trip(redis, pool, records)
    over = datetime.now(UTC) - timedelta(seconds=1)
    pool.publish([replace(record, expires=over) for record in records])
    redis.zadd(KEYS.cooling, {record.id: 1 for record in records})

    with pytest.raises(NoProxyAvailable):
        manager.acquire("s", hold=30)


def test_a_proxy_is_not_tried_beyond_its_most_requests_at_a_time(
    manager: SessionManager, pool: ProxyPool, redis: Redis, records: list[ProxyRecord]
) -> None:
    pool.publish([replace(record, max_concurrency=1) for record in records])
    for n in range(5):
        manager.acquire(f"s{n}", hold=30)
    _trip(redis, pool, records)

    with pytest.raises(NoProxyAvailable):
        manager.acquire("another", hold=30)


def test_cooling_proxies_that_do_not_fit_do_not_hide_those_that_do(
    manager: SessionManager, pool: ProxyPool, redis: Redis, records: list[ProxyRecord]
) -> None:
    others = [ProxyRecord(Proxy("http", f"10.2.0.{n}", 80)) for n in range(20)]
    [wanted] = [ProxyRecord(Proxy("http", "10.3.0.1", 80), country="DE")]
    pool.publish([*others, wanted])
    _trip(redis, pool, [*others, wanted])
    redis.zadd(KEYS.cooling, {wanted.id: 2})
    german = Selection(where=("country:DE",))

    def tried() -> bool:
        try:
            return manager.acquire(None, hold=1, selection=german).proxy == wanted.proxy
        except NoProxyAvailable:
            return False

    assert any(tried() for _ in range(200))


@pytest.mark.parametrize("forgotten", ["removed", "lost"])
def test_a_password_that_changed_meanwhile_is_used(
    manager_of: Managers, pool: ProxyPool, redis: Redis, forgotten: str
) -> None:
    manager = manager_of()
    old = manager.acquire(None, hold=30)
    manager.release(old)

    if forgotten == "removed":
        pool.set_mode(old.proxy.id, "removed")
    else:
        redis.flushall()
    pool.publish([ProxyRecord(replace(old.proxy, password="new"))])

    used = {manager.acquire(None, hold=30).proxy.id: None for _ in range(5)}
    assert old.proxy.id in used
    again = [manager.acquire(None, hold=30).proxy for _ in range(5)]
    assert {one.password for one in again if one == old.proxy} == {"new"}


def test_a_session_is_not_moved_to_an_expired_proxy(
    manager: SessionManager, pool: ProxyPool, redis: Redis, records: list[ProxyRecord]
) -> None:
    lease = manager.acquire("s", hold=30)
    manager.release(lease)
    [to] = [record for record in records if record.proxy != lease.proxy][:1]
    redis.hset(KEYS.live_proxy(to.id), "ends", 1)

    with pytest.raises(InvalidSelection):
        manager.migrate("s", to.id)


def test_a_hard_session_on_a_draining_proxy_outlives_an_exclusion(
    manager_of: Managers, pool: ProxyPool
) -> None:
    manager = manager_of(sticky=Sticky.HARD)
    lease = manager.acquire("s", hold=30)
    manager.release(lease)
    pool.set_mode(lease.proxy.id, "draining")

    with pytest.raises(SessionLost, match="may not be used here"):
        manager.acquire("s", hold=30, selection=Selection(exclude=(lease.proxy.id,)))

    assert not manager.acquire("s", hold=30).created


def test_the_last_index_that_a_pool_may_have_is_built_by_anybody(
    pool: ProxyPool, redis: Redis
) -> None:
    redis.hset(
        KEYS.registry, mapping={f"tag:{n}:random": 1 for n in range(MAX_INDEXES)}
    )
    redis.hset(KEYS.registry, "tag:0:random", 0)

    ProxyStore(redis, "default").build("tag:0:random")

    assert redis.hget(KEYS.registry, "tag:0:random") == b"1"
