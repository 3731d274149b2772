"""Looking after sessions: list, borrow, move, evacuate, measure."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from redis import Redis

from limpet.errors import InvalidSelection, LeaseLost, SessionBusy, SessionLost
from limpet.keys import Keys
from proxies import Outcome, ProxyPool, ProxyRecord
from sessions import Reason, SessionManager, SessionPolicy, Sticky
from sessions.store import SessionStore

Managers = Callable[..., SessionManager]
KEYS = Keys("default")


def use(manager: SessionManager, session: str, **said: object) -> str:
    lease = manager.acquire(session, hold=30)
    manager.release(lease, Outcome.OK, **said)  # type: ignore[arg-type] # a test's
    return lease.proxy.id


def test_all_sessions_are_listed_a_page_at_a_time(manager: SessionManager) -> None:
    names = {f"s{n}" for n in range(500)}
    for name in names:
        use(manager, name)

    cursor, page = manager.list(count=100)
    listed = [info.session for info in manager.all()]

    assert cursor
    assert 0 < len(page) < 500
    assert len(listed) == 500
    assert set(listed) == names


def test_what_is_known_of_a_session(manager: SessionManager) -> None:
    for ms in (100, 200, 600):
        use(manager, "s", elapsed=ms / 1000, url="https://shop.example/a?token=x#y")

    info = manager.get("s")

    assert info is not None
    assert (info.requests, info.measured, info.mean_ms) == (3, 3, 300.0)
    assert info.last_url == "https://shop.example/a"
    assert (info.leases, info.sticky, info.rebinds) == (0, Sticky.SOFT, 0)
    assert info.expires - info.created == pytest.approx(1800, abs=5)
    assert manager.get("nobody") is None


def test_response_times_of_a_pool_are_read_off_buckets(manager: SessionManager) -> None:
    for n in range(100):
        use(manager, "s", elapsed=(n + 1) / 100)

    stats = manager.stats()

    assert stats.response_ms(0.5) == pytest.approx(500, rel=0.05)
    assert stats.response_ms(0.95) == pytest.approx(950, rel=0.06)
    assert stats.response_ms(0.99) == pytest.approx(990, rel=0.06)


def test_a_lease_is_renewed_until_it_is_lost(
    manager_of: Managers, redis: Redis
) -> None:
    manager = manager_of(margin=0)
    lease = manager.acquire("s", hold=1)

    manager.renew(lease, hold=100)
    info = manager.get("s")
    redis.zadd(KEYS.leases, {lease.token: 1})
    manager.expire(50)

    assert info is not None
    assert info.lease_until - info.created > 90
    with pytest.raises(LeaseLost):
        manager.renew(lease, hold=100)


def test_the_session_used_least_recently_is_borrowed_first(
    manager: SessionManager, redis: Redis
) -> None:
    names = manager.warm(3)
    redis.zadd(KEYS.warm, {name: rank for rank, name in enumerate(names)})

    borrowed = [manager.borrow(hold=30) for _ in range(3)]
    with pytest.raises(SessionBusy):
        manager.borrow(hold=30)
    manager.release(borrowed[1])

    assert [lease.session for lease in borrowed] == names
    assert manager.borrow(hold=30).session == names[1]


def test_borrowing_waits_for_the_next_use_that_is_due(manager: SessionManager) -> None:
    slow = SessionPolicy(min_delay=60)
    quick = SessionPolicy(min_delay=0)
    manager.warm(1, policy=slow)
    [name] = manager.warm(1, policy=quick)

    lease = manager.borrow(hold=30, order="next")
    with pytest.raises(SessionBusy) as caught:
        manager.borrow(hold=30, order="next")

    assert lease.session == name
    assert 50 < caught.value.retry_after <= 60


def test_a_borrowed_session_is_not_lost_with_its_borrower(
    manager: SessionManager, redis: Redis
) -> None:
    manager.warm(1)
    lost = manager.borrow(hold=30)
    redis.zadd(KEYS.leases, {lost.token: 1})

    again = manager.borrow(hold=30)

    assert again.session == lost.session
    assert again.incarnation > lost.incarnation


def test_an_expired_session_is_not_borrowed(
    manager: SessionManager, redis: Redis
) -> None:
    [gone, there] = manager.warm(2)
    redis.hset(KEYS.session(gone), "x", 1)
    redis.zadd(KEYS.warm, {gone: 1})

    assert manager.borrow(hold=30).session == there
    assert manager.get(gone) is None


def test_a_session_is_moved_by_hand(
    manager: SessionManager, records: list[ProxyRecord]
) -> None:
    home = use(manager, "s")
    other = next(one.id for one in records if one.id != home)

    manager.migrate("s", other)
    lease = manager.acquire("s", hold=30)

    assert (lease.proxy.id, lease.generation, lease.moved) == (other, 2, False)
    with pytest.raises(SessionBusy):
        manager.migrate("s", home)
    manager.release(lease)
    with pytest.raises(InvalidSelection):
        manager.migrate("s", "0123456789")


class _Closing(SessionStore):
    """A session ends just before it would be moved."""

    def move(self, ids: Sequence[str], **how: str) -> list[Any]:
        for one in ids:
            self.close(one, Reason.CLOSED)
        return super().move(ids, **how)


def test_a_session_that_ends_before_it_is_moved_is_lost(
    manager: SessionManager, records: list[ProxyRecord], redis: Redis, pool: ProxyPool
) -> None:
    home = use(manager, "s")
    other = next(one.id for one in records if one.id != home)
    unlucky = SessionManager("default", _Closing(redis, "default"), pool)

    with pytest.raises(SessionLost):
        unlucky.migrate("s", other)


def test_a_session_that_is_there_already_is_not_moved(manager: SessionManager) -> None:
    home = use(manager, "s")

    manager.migrate("s", home)

    assert manager.acquire("s", hold=30).generation == 1
    with pytest.raises(SessionLost):
        manager.migrate("nobody", home)


def test_a_holder_that_is_late_cannot_write_after_a_move(
    manager: SessionManager, records: list[ProxyRecord], redis: Redis
) -> None:
    late = manager.acquire("s", hold=30)
    redis.hset(KEYS.session("s"), "d", 1)
    other = next(one.id for one in records if one.id != late.proxy.id)

    manager.migrate("s", other)

    with pytest.raises(LeaseLost):
        manager.release(late, patch={"user_agent": "late"})
    assert manager.acquire("s", hold=30).state.user_agent == ""


def test_a_proxy_is_evacuated_at_once_and_what_is_in_use_follows(
    manager: SessionManager, pool: ProxyPool
) -> None:
    held = manager.acquire("s0", hold=30)
    for n in range(1, 100):
        use(manager, f"s{n}")

    pool.set_mode(held.proxy.id, "evacuating")
    steps = list(manager.evacuate(held.proxy.id))

    left = [info for info in manager.all() if info.proxy == held.proxy.id]
    assert [info.session for info in left] == ["s0"]
    assert sum(step.moved for step in steps) == 19
    assert sum(step.used for step in steps) >= 1
    manager.release(held)
    assert manager.acquire("s0", hold=30).moved


def test_hard_sessions_are_not_evacuated(manager_of: Managers, pool: ProxyPool) -> None:
    manager = manager_of(sticky=Sticky.HARD)
    proxy = use(manager, "s")
    pool.set_mode(proxy, "evacuating")

    steps = list(manager.evacuate(proxy))

    assert (sum(s.moved for s in steps), sum(s.stuck for s in steps)) == (0, 1)


def test_a_cleared_pool_has_no_session_and_no_count_left(
    manager: SessionManager, pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    for n in range(250):
        use(manager, f"s{n}")

    steps = list(manager.clear(batch=100))

    assert steps == [100, 100, 50]
    assert manager.stats().sessions == 0
    assert [one.sessions for one in pool.status(records)] == [0] * 5


def test_the_next_lease_comes_with_the_release_of_the_last(
    manager: SessionManager, redis: Redis
) -> None:
    lease = manager.acquire("a", hold=30)
    redis.script_flush()

    then = manager.release_and_acquire(
        lease, Outcome.OK, "b", hold=30, elapsed=0.1, patch={"user_agent": "x"}
    )

    state = manager.state("a")
    assert state is not None
    assert (then.session, state.user_agent) == ("b", "x")
    assert manager.stats().leases == 1


def test_a_refused_release_keeps_no_next_lease(
    manager: SessionManager, redis: Redis
) -> None:
    late = manager.acquire("a", hold=30)
    redis.zadd(KEYS.leases, {late.token: 1})
    manager.expire(50)

    with pytest.raises(LeaseLost):
        manager.release_and_acquire(late, Outcome.OK, "b", hold=30)

    assert manager.stats().leases == 0
