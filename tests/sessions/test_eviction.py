"""Sessions that end since all of them take too much memory."""

import pytest
from redis import Redis

from proxies import Outcome, ProxyPool, ProxyRecord
from sessions import Cleaner, CleanupReport, SessionManager
from sessions.store import SessionStore
from tests.sessions.ageing import cleaner_of, unused_for, use


@pytest.fixture
def cleaner(manager: SessionManager, redis: Redis) -> Cleaner:
    return cleaner_of(manager, redis)


def test_memory_is_estimated_from_a_sample(
    manager: SessionManager, cleaner: Cleaner, redis: Redis
) -> None:
    before = int(redis.info("memory")["used_memory"])
    for n in range(3000):
        lease = manager.acquire(f"s{n}", hold=30)
        manager.release(lease, Outcome.OK, patch={"user_agent": "x" * 300})
    taken = int(redis.info("memory")["used_memory"]) - before

    found = cleaner.memory()

    assert found.sessions == 3000
    assert found.total == pytest.approx(taken, rel=0.35)


def test_those_used_least_recently_are_evicted_first(
    manager: SessionManager, cleaner: Cleaner, redis: Redis
) -> None:
    names = [f"s{n:03}" for n in range(300)]
    use(manager, *names)
    for rank, name in enumerate(names):
        unused_for(redis, 600 - rank, name)
    use(manager, *names[:100])  # the index does not know yet
    report = CleanupReport()

    cleaner.evict(100 * cleaner.memory().each, report)

    assert report.by_reason == {"evicted": pytest.approx(100, abs=5)}
    gone = {name for name in names if manager.get(name) is None}
    assert len(gone & set(names[100:205])) == len(gone)
    events = SessionStore(redis, "default").audit(1000)
    evicted = {e["session"] for _, e in events if e.get("reason") == "evicted"}
    assert evicted == gone
    assert manager.stats().counters["closed_evicted"] == len(gone)


def test_one_with_a_longer_life_is_evicted_for_its_last_use(
    manager: SessionManager, cleaner: Cleaner, redis: Redis
) -> None:
    use(manager, "long", idle_ttl=86_000)
    unused_for(redis, 1000, "long")
    use(manager, *(f"s{n}" for n in range(20)))

    cleaner.evict(1, CleanupReport())

    assert manager.get("long") is None
    assert manager.stats().sessions == 20


def test_a_session_in_use_is_never_evicted(
    manager: SessionManager, cleaner: Cleaner, redis: Redis
) -> None:
    names = [f"s{n:03}" for n in range(200)]
    use(manager, *names)
    held = [manager.acquire(name, hold=30) for name in names[:150]]
    report = CleanupReport()

    cleaner.evict(1e9, report)

    assert report.removed == 50
    assert {one.session for one in manager.all()} == set(names[:150])
    for lease in held:
        manager.release(lease)


def test_sessions_in_use_hide_none_that_was_used_before_others(
    manager: SessionManager, cleaner: Cleaner, redis: Redis
) -> None:
    names = [f"s{n:03}" for n in range(600)]
    use(manager, *names)
    held = {name: manager.acquire(name, hold=60) for name in names[::3]}
    for rank, name in enumerate(names):
        unused_for(redis, 900 - rank, name)
    idle = [name for name in names if name not in held]
    each = cleaner.memory().each

    cleaner.evict(200 * each, CleanupReport())

    left = [name for name in idle if manager.get(name)]
    assert len(left) == pytest.approx(200, abs=10)
    assert left == idle[-len(left) :]
    cleaner.evict(1e9, CleanupReport())
    assert {one.session for one in manager.all()} == set(held)


def test_proxies_know_of_what_was_evicted(
    manager: SessionManager,
    cleaner: Cleaner,
    pool: ProxyPool,
    records: list[ProxyRecord],
) -> None:
    use(manager, *(f"s{n}" for n in range(50)))

    cleaner.evict(1e9, CleanupReport())

    assert [one.sessions for one in pool.status(records)] == [0] * 5
