"""The clean-up of a pool: what it removes, what it leaves, what cannot stop it."""

import subprocess
from collections.abc import Callable

import pytest
from redis import Redis

from limpet.errors import SessionCleanupError, SessionStoreError
from proxies import ProxyPool, ProxyRecord
from sessions import Cleaner, CleanupReport, Full, SessionManager
from tests.sessions.ageing import KEYS, cleaner_of, expire, unused_for, use
from tests.sessions.conftest import Server

Managers = Callable[..., SessionManager]


@pytest.fixture
def cleaner(manager: SessionManager, redis: Redis) -> Cleaner:
    return cleaner_of(manager, redis)


def test_a_report_says_what_was_removed_and_why(
    manager: SessionManager, cleaner: Cleaner, redis: Redis
) -> None:
    names = [f"s{n}" for n in range(120)]
    use(manager, *names)
    # Before the others expire: who acquires cleans up a little now and then.
    lost = manager.acquire("lost", hold=30)
    expire(redis, *names)
    redis.hset(KEYS.session("s7"), mapping={"x": 8, "a": 8})
    redis.zadd(KEYS.leases, {lost.token: 1})
    report = CleanupReport()

    cleaner.expire(50, report)

    assert (report.removed, report.by_reason) == (120, {"idle": 119, "max_age": 1})
    assert (report.leases, report.errors, report.unfinished) == (1, 0, 0)
    assert report.batches == 3
    assert 120 * 100 < report.memory_freed < 120 * 1000


@pytest.mark.parametrize("poison", ["type", "expiry", "deadline", "nothing"])
def test_a_broken_record_does_not_hide_those_behind_it(
    manager: SessionManager,
    cleaner: Cleaner,
    redis: Redis,
    pool: ProxyPool,
    records: list[ProxyRecord],
    poison: str,
) -> None:
    names = [f"s{n:02}" for n in range(60)]
    use(manager, *names)
    expire(redis, *names)
    key = KEYS.session("s30")
    if poison == "type":
        redis.delete(key)
        redis.rpush(key, "?")
    elif poison == "expiry":
        redis.hset(key, "x", "soon")
    elif poison == "deadline":
        redis.hset(key, "d", "")
    else:
        redis.hdel(key, "x", "d")
    report, again = CleanupReport(), CleanupReport()

    cleaner.expire(50, report)
    cleaner.expire(50, again)

    assert (report.removed, report.errors) == (59, 1)
    assert (again.removed, again.errors) == (0, 0)
    assert redis.zrange(KEYS.expiry, 0, -1) == [b"s30"]
    assert sum(one.sessions for one in pool.status(records)) == 1
    redis.delete(key)


def test_a_broken_record_is_looked_at_again(
    manager: SessionManager, cleaner: Cleaner, redis: Redis
) -> None:
    use(manager, "s")
    redis.hset(KEYS.session("s"), "x", "soon")
    expired = CleanupReport()
    redis.zadd(KEYS.expiry, {"s": 1})
    cleaner.expire(50, CleanupReport())
    redis.hset(KEYS.session("s"), "x", 1)  # somebody has mended it

    redis.zadd(KEYS.expiry, {"s": 1})  # and the hour is over
    cleaner.expire(50, expired)

    assert expired.removed == 1


def test_new_sessions_are_made_beside_a_broken_record(
    manager_of: Managers, redis: Redis
) -> None:
    manager = manager_of(max_sessions=3, full=Full.EVICT)
    use(manager, "a", "b", "c")
    expire(redis, "a")
    redis.delete(KEYS.session("a"))
    redis.rpush(KEYS.session("a"), "?")

    use(manager, "d", "e")

    assert manager.get("e") is not None
    redis.delete(KEYS.session("a"))


def test_a_lease_that_nobody_can_read_stops_nothing(
    manager: SessionManager, cleaner: Cleaner, redis: Redis
) -> None:
    lost = manager.acquire("s", hold=30)
    redis.zadd(KEYS.leases, {"?": 1, lost.token: 2})
    report = CleanupReport()

    cleaner.settle(50, report)

    assert (report.leases, report.errors) == (1, 1)
    assert redis.zcard(KEYS.leases) == 0


def test_what_is_not_done_in_time_is_done_next_time(
    manager: SessionManager, redis: Redis
) -> None:
    names = [f"s{n}" for n in range(200)]
    use(manager, *names)
    expire(redis, *names)
    asked = iter([True, True])
    first, second = CleanupReport(), CleanupReport()

    cleaner_of(manager, redis, lambda: next(asked, False)).expire(50, first)
    cleaner_of(manager, redis).expire(50, second)

    assert (first.removed, first.unfinished) == (100, 1)
    assert (second.removed, second.unfinished) == (100, 0)


def test_sessions_that_nobody_has_used_for_long_are_retired(
    manager: SessionManager, cleaner: Cleaner, redis: Redis
) -> None:
    use(manager, *(f"old{n}" for n in range(150)), "new", "held")
    unused_for(redis, 600, *(f"old{n}" for n in range(150)), "held")
    held = manager.acquire("held", hold=30)
    report = CleanupReport()

    cleaner.retire(300, report)

    assert report.by_reason == {"idle": 150}
    assert {one.session for one in manager.all()} == {"new", "held"}
    manager.release(held)


def test_a_redis_that_is_back_soon_is_waited_for(own_server: Server) -> None:
    manager = own_server.manager()
    names = [f"s{n}" for n in range(300)]
    use(manager, *names)
    expire(own_server.client, *names)
    seen: list[subprocess.Popen[bytes]] = []

    def going() -> bool:
        if own_server.processes and not seen:
            seen.append(own_server.processes[0])
            own_server.stop()
            own_server.start()
        return True

    report = CleanupReport()
    cleaner_of(manager, own_server.client, going).expire(50, report)

    assert report.removed == 300
    assert manager.stats().sessions == 0


def test_a_redis_that_stays_away_is_a_store_error(own_server: Server) -> None:
    manager = own_server.manager()
    names = [f"s{n}" for n in range(300)]
    use(manager, *names)
    expire(own_server.client, *names)
    asked = iter([True, True])
    report = CleanupReport()

    def going() -> bool:
        if not next(asked, False):
            own_server.stop()
            return bool(own_server.processes) or report.errors == 0
        return True

    with pytest.raises(SessionStoreError) as caught:
        cleaner_of(manager, own_server.client, going).expire(50, report)

    assert caught.value.removed == 100
    own_server.start()
    rest = CleanupReport()
    cleaner_of(manager, own_server.client).expire(50, rest)
    assert rest.removed == 200


def test_a_step_that_breaks_each_time_is_a_cleanup_error(
    manager: SessionManager, redis: Redis
) -> None:
    tokens = {f"?{n}": 1 for n in range(20)}
    redis.zadd(KEYS.leases, tokens)
    report = CleanupReport()

    with pytest.raises((SessionCleanupError, SessionStoreError)):
        cleaner_of(manager, redis, lambda: report.errors < 2).settle(50, report)

    assert redis.zcard(KEYS.leases) < 20
    redis.delete(KEYS.leases)
