"""Many requests under one lease, told in one go."""

from collections.abc import Callable

import pytest
from redis import Redis

from limpet.errors import LeaseLost
from limpet.keys import Keys
from proxies import Outcome, ProxyPool, ProxyRecord
from sessions import SessionManager
from sessions.operation import Tally

Managers = Callable[..., SessionManager]


def _tally(*seconds: float) -> Tally:
    made = Tally()
    for took in seconds:
        made.add(took, 1000, "https://shop.test/p/1?secret=1")
    return made


def test_a_progress_report_counts_as_so_many_releases(
    manager_of: Managers, pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    manager = manager_of()
    for _ in range(3):
        lease = manager.acquire("one-by-one", hold=30)
        manager.release(lease, Outcome.OK, elapsed=0.2, size=1000)
    lease = manager.acquire("at-once", hold=30)
    manager.progress(lease, _tally(0.2, 0.2), hold=30)
    manager.release(lease, Outcome.OK, elapsed=0.2, size=1000)

    single, many = manager.get("one-by-one"), manager.get("at-once")
    assert single
    assert many
    assert (many.requests, many.measured, many.mean_ms) == (3, 3, 200.0)
    status = {one.record.id: one for one in pool.status(records)}
    one, other = status[single.proxy], status[many.proxy]
    assert one.record != other.record
    same = ("started", "done", "inflight", "bytes", "response_ms", "success")
    for name in same:
        assert getattr(one, name) == pytest.approx(getattr(other, name)), name
    assert manager.stats().times == {200: 6}
    assert manager.stats().counters["acquired"] == 6


def test_a_progress_report_holds_the_lease_for_longer(
    manager_of: Managers, eventually: Callable[..., None]
) -> None:
    manager = manager_of(margin=0)
    lease = manager.acquire("s", hold=0.3)
    before = manager.get("s")

    manager.progress(lease, Tally(), hold=60)

    after = manager.get("s")
    assert before
    assert after
    assert after.lease_until > before.lease_until + 50
    assert after.last_url == ""


def test_a_progress_report_without_a_lease_is_refused(
    manager_of: Managers, pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    manager = manager_of()
    lease = manager.acquire("s", hold=30)
    manager.release(lease)
    before = manager.get("s"), pool.status(records), manager.stats().times

    with pytest.raises(LeaseLost):
        manager.progress(lease, _tally(0.1), hold=30)

    assert (manager.get("s"), pool.status(records), manager.stats().times) == before


def test_a_progress_report_keeps_cookies_that_the_next_holder_finds(
    manager: SessionManager,
) -> None:
    lease = manager.acquire("s", hold=30)

    lease, _ = manager.progress(
        lease, Tally(), hold=30, patch={"cookies": [{"name": "c"}]}
    )
    version = manager.release(lease, patch={"user_agent": "mine"})

    state = manager.acquire("s", hold=30).state
    assert (state.cookies, state.user_agent) == ([{"name": "c"}], "mine")
    assert state.version == version


def test_a_progress_report_says_how_many_are_left(
    manager_of: Managers,
) -> None:
    manager = manager_of(max_requests=5)
    lease = manager.acquire("s", hold=30)

    told = [
        manager.progress(lease, _tally(0.1), hold=30, more=True)[1] for _ in range(5)
    ]

    assert told == [4, 3, 2, 1, 0]
    session = manager.get("s")
    assert session
    assert session.requests == 5
    manager.release(lease)
    assert manager.acquire("s", hold=30).created


def test_a_session_that_is_to_move_may_make_no_more_requests(
    manager: SessionManager, pool: ProxyPool, records: list[ProxyRecord]
) -> None:
    lease = manager.acquire("s", hold=30)
    assert manager.progress(lease, Tally(), hold=30, more=True)[1] is None

    pool.set_mode(lease.proxy.id, "evacuating")

    assert manager.progress(lease, Tally(), hold=30, more=True)[1] == 0
    manager.release(lease)
    assert manager.acquire("s", hold=30).moved


def test_progress_is_seen_in_the_last_window(
    manager_of: Managers, pool: ProxyPool, records: list[ProxyRecord], redis: Redis
) -> None:
    manager = manager_of()
    lease = manager.acquire("s", hold=30)
    redis.hset(Keys("default").live_proxy(lease.proxy.id), mapping={"win": 1, "n0": 99})

    manager.progress(lease, _tally(*[0.1] * 10), hold=30)

    [status] = [one for one in pool.status(records) if one.proxy.id == lease.proxy.id]
    assert (status.recent, status.inflight, status.done) == (10, 1, 10)
    assert status.state == "healthy"


def test_progress_forgives_errors(manager: SessionManager) -> None:
    for _ in range(2):
        manager.release(manager.acquire("s", hold=30), Outcome.BLOCKED)
    lease = manager.acquire("s", hold=30)

    manager.progress(lease, _tally(0.1, 0.1, 0.1), hold=30)

    info = manager.get("s")
    assert info
    assert info.errors == 0.5
