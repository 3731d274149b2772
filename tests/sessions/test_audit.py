"""What happens to sessions is told, and no secret with it."""

from collections.abc import Callable

import pytest
from redis import Redis

from limpet.errors import NoProxyAvailable, PoolFull
from limpet.keys import Keys
from proxies import HealthPolicy, Outcome, ProxyPool, ProxyRecord
from sessions import SessionManager
from sessions.store import SessionStore

Managers = Callable[..., SessionManager]
KEYS = Keys("default")


def events(redis: Redis) -> list[str]:
    """Return the audit events, the oldest first, as words."""
    found = SessionStore(redis, "default").audit(1000)
    return [
        " ".join(value for name, value in fields.items() if name != "ended")
        for _, fields in reversed(found)
    ]


def test_what_happens_to_sessions_is_told(
    manager_of: Managers, redis: Redis, pool: ProxyPool
) -> None:
    manager = manager_of(health=HealthPolicy(max_failures=1))
    lease = manager.acquire("s", hold=30)
    manager.release(lease, Outcome.FAULT, url="https://shop.example/?token=s3cret")
    moved = manager.acquire("s", hold=30)
    manager.release(moved, patch={"cookies": [{"name": "c", "value": "s3cret"}]})
    manager.close("s")
    for one in (lease.proxy.id, moved.proxy.id):
        pool.set_mode(one, "disabled")

    told = events(redis)

    first, then = lease.proxy.id, moved.proxy.id
    assert told == [
        f"created s {first}",
        f"unhealthy {first}",
        f"rebound s {first} {then} unhealthy",
        f"closed s {then} closed",
        f"disabled {first}",
        f"disabled {then}",
    ]


def test_refusals_are_told_and_jobs_without_a_session_are_not(
    manager: SessionManager, redis: Redis, pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    for one in records:
        pool.set_mode(one.id, "disabled")

    for name in ("s", None):
        with pytest.raises(NoProxyAvailable):
            manager.acquire(name, hold=30)

    assert [event for event in events(redis) if "disabled" not in event] == [
        "refused s no_proxy"
    ]


def test_a_job_that_waits_is_told_of_once(manager_of: Managers, redis: Redis) -> None:
    manager = manager_of(max_sessions=1)
    manager.acquire("s", hold=30)

    for _ in range(5):
        with pytest.raises(PoolFull):
            manager.acquire("another", hold=30)

    told = [event for event in events(redis) if event.startswith("refused")]
    assert told == ["refused another pool_full"]
    assert manager.stats().counters["pool_full"] == 5


def test_the_audit_is_bounded(
    manager: SessionManager, redis: Redis, pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    manager.acquire("s", hold=30)
    with redis.pipeline(transaction=False) as pipe:
        for _ in range(51_000):
            pipe.xadd(KEYS.audit, {"event": "old"})
        pipe.execute()

    manager.close("s")
    after_a_session = redis.xlen(KEYS.audit)
    with redis.pipeline(transaction=False) as pipe:
        for _ in range(2000):
            pipe.xadd(KEYS.audit, {"event": "old"})
        pipe.execute()
    pool.set_mode(records[0].id, "disabled")

    # Redis drops whole nodes of the stream, of 100 events each.
    assert 50_000 <= after_a_session <= 50_200
    assert 50_000 <= redis.xlen(KEYS.audit) <= 50_200
