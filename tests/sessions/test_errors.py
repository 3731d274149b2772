"""A session that is found out ends; one that does well is forgiven."""

from collections.abc import Callable

import pytest
from redis import Redis

from proxies import Outcome, ProxyPool
from proxies.store import ProxyStore
from sessions import SessionManager
from sessions.store import SessionStore

Managers = Callable[..., SessionManager]


def _use(manager: SessionManager, outcome: Outcome, fault: float = 1.0) -> int:
    return manager.release(manager.acquire("s", hold=30), outcome, fault=fault)


def _errors(manager: SessionManager) -> float | None:
    info = manager.get("s")
    return info.errors if info else None


def test_the_third_block_in_a_row_ends_a_session(manager: SessionManager) -> None:
    for count in (1, 2):
        assert _use(manager, Outcome.BLOCKED) > 0
        assert _errors(manager) == count

    assert _use(manager, Outcome.BLOCKED) == -1

    assert manager.get("s") is None
    assert manager.stats().counters["closed_blocked"] == 1


def test_each_success_takes_off_half_a_block(manager: SessionManager) -> None:
    for _ in range(2):
        _use(manager, Outcome.BLOCKED)

    for left in (1.5, 1, 0.5, 0, 0):
        _use(manager, Outcome.OK)
        assert _errors(manager) == left


def test_failures_that_may_be_anybodys_count_by_their_weight(
    manager_of: Managers,
) -> None:
    manager = manager_of(max_rebinds=100)
    for _ in range(5):
        assert _use(manager, Outcome.FAULT, 0.5) > 0

    assert _use(manager, Outcome.FAULT, 0.5) == -1

    assert manager.stats().counters["closed_errors"] == 1


@pytest.mark.parametrize("outcome", [Outcome.FAULT, Outcome.REFUSED, Outcome.NONE])
def test_what_is_the_proxys_fault_does_not_count(
    manager_of: Managers, outcome: Outcome
) -> None:
    manager = manager_of(max_rebinds=100)

    for _ in range(2):
        _use(manager, outcome)

    assert _errors(manager) == 0


def test_a_pooled_session_ends_at_its_first_block(manager_of: Managers) -> None:
    manager = manager_of(pooled=True)

    assert _use(manager, Outcome.BLOCKED) == -1


def test_a_pool_may_let_its_sessions_be_blocked_for_ever(
    manager: SessionManager, redis: Redis
) -> None:
    store = SessionStore(redis, "default", max_errors=0)
    proxies = ProxyPool(ProxyStore(redis, "default"))
    manager = SessionManager("default", store, proxies)

    for _ in range(10):
        assert _use(manager, Outcome.BLOCKED) > 0
