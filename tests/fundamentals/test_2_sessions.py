"""Chapter 2: sessions. One proxy each, one holder at a time, a life of their own."""

from collections.abc import Callable

import pytest

from limpet.errors import NoProxyAvailable, SessionBusy
from proxies import HealthPolicy, Outcome, ProxyPool, ProxyRecord
from sessions import SessionManager

Managers = Callable[..., SessionManager]


def test_a_session_leaves_through_the_same_proxy_every_time(
    manager: SessionManager,
) -> None:
    used = set()
    for _ in range(100):
        lease = manager.acquire("user-42", hold=30)
        used.add(lease.proxy.id)
        manager.release(lease, Outcome.OK)

    assert len(used) == 1


def test_a_session_is_used_by_one_job_at_a_time(manager: SessionManager) -> None:
    held = manager.acquire("user-42", hold=30)

    with pytest.raises(SessionBusy):
        manager.acquire("user-42", hold=30)
    manager.release(held)

    assert manager.acquire("user-42", hold=30).proxy == held.proxy


def test_one_failure_does_not_move_a_session(manager: SessionManager) -> None:
    first = manager.acquire("user-42", hold=30)
    manager.release(first, Outcome.FAULT)

    second = manager.acquire("user-42", hold=30)

    assert (second.proxy, second.generation) == (first.proxy, 1)


def test_three_failures_in_a_row_move_it_once(manager: SessionManager) -> None:
    first = manager.acquire("user-42", hold=30)
    manager.release(first, Outcome.FAULT)
    for _ in range(2):
        manager.release(manager.acquire("user-42", hold=30), Outcome.FAULT)

    moved = manager.acquire("user-42", hold=30)

    assert moved.proxy != first.proxy
    assert (moved.generation, moved.moved) == (2, True)


def test_a_cooling_proxy_gets_no_new_session(manager: SessionManager) -> None:
    first = manager.acquire("a", hold=30)
    manager.release(first, Outcome.FAULT)
    for _ in range(2):
        manager.release(manager.acquire("a", hold=30), Outcome.FAULT)

    taken = {manager.acquire(f"b{n}", hold=30).proxy.id for n in range(20)}

    assert len(taken) == 4
    assert first.proxy.id not in taken


def test_a_proxy_comes_back_when_its_cool_down_ends(
    manager_of: Managers, pool: ProxyPool, eventually: Callable[..., None]
) -> None:
    manager = manager_of(health=HealthPolicy(max_failures=1, cooldown=0.2))
    first = manager.acquire("a", hold=30)
    manager.release(first, Outcome.FAULT)

    assert pool.status([ProxyRecord(first.proxy)])[0].state == "unhealthy"

    def tried() -> bool:
        lease = manager.acquire(None, hold=30)
        manager.release(lease, Outcome.OK)
        return lease.proxy == first.proxy

    eventually(tried)
    assert pool.status([ProxyRecord(first.proxy)])[0].state == "degraded"


def test_no_usable_proxy_is_an_error_that_says_when_to_ask_again(
    manager_of: Managers,
) -> None:
    manager = manager_of(health=HealthPolicy(max_failures=1, cooldown=60))
    for n in range(5):
        manager.release(manager.acquire(f"s{n}", hold=30), Outcome.FAULT)

    with pytest.raises(NoProxyAvailable) as caught:
        manager.acquire("late", hold=30)

    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 60


def test_a_session_ends_after_its_idle_time(
    manager_of: Managers, eventually: Callable[..., None]
) -> None:
    manager = manager_of(idle_ttl=0.1)
    manager.release(manager.acquire("user-42", hold=30))

    eventually(lambda: manager.expire(50).sessions == 1)

    assert manager.acquire("user-42", hold=30).created


def test_a_session_carries_its_cookies_to_whoever_has_it_next(
    manager: SessionManager, manager_of: Managers
) -> None:
    cookies = [{"name": "sid", "value": "x" * 600, "domain": "shop.example"}]
    manager.release(manager.acquire("user-42", hold=30), patch={"cookies": cookies})

    elsewhere = manager_of().acquire("user-42", hold=30)

    assert elsewhere.state.cookies == cookies
    assert "xxx" not in repr(elsewhere)


def test_a_job_without_a_session_gets_one_that_ends_with_it(
    manager: SessionManager,
) -> None:
    lease = manager.acquire(None, hold=30)

    assert manager.stats().sessions == 1
    manager.release(lease, Outcome.OK)
    assert manager.stats().sessions == 0


def test_a_closed_session_starts_anew(manager: SessionManager) -> None:
    manager.release(manager.acquire("user-42", hold=30))

    assert [manager.close("user-42"), manager.close("user-42")] == [True, False]
    assert manager.acquire("user-42", hold=30).created
