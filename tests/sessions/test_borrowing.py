"""Borrowing finds every session that nobody uses, whatever happened to others."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from limpet.errors import SessionBusy, SessionLost
from proxies import HealthPolicy, Outcome, ProxyPool, ProxyRecord, Selection
from sessions import SessionManager, SessionPolicy
from sessions.session import Sticky

Managers = Callable[..., SessionManager]
HARD = SessionPolicy(sticky=Sticky.HARD, pooled=True)


def test_a_session_whose_holder_died_may_be_borrowed_after_a_refusal(
    manager_of: Managers, eventually: Callable[..., None]
) -> None:
    manager = manager_of(margin=0)
    dead = manager.acquire("s", hold=0.001, policy=HARD)
    elsewhere = Selection(exclude=(dead.proxy.id,))

    def refused() -> bool:
        with suppress(SessionBusy, SessionLost):
            manager.acquire("s", hold=30, selection=elsewhere)
        return manager.stats().leases == 0

    eventually(refused)
    assert manager.borrow(hold=30).session == "s"


def test_a_session_that_is_moved_off_its_dead_holder_may_be_borrowed(
    manager_of: Managers, pool: ProxyPool, eventually: Callable[..., None]
) -> None:
    manager = manager_of(margin=0, pooled=True)
    dead = manager.acquire("s", hold=0.001)
    pool.set_mode(dead.proxy.id, "evacuating")

    def moved() -> bool:
        return sum(step.moved for step in manager.evacuate(dead.proxy.id)) == 1

    eventually(moved)
    assert manager.borrow(hold=30).session == "s"


@pytest.mark.parametrize("order", ["lru", "next"])
def test_sessions_that_cannot_go_out_do_not_hide_those_that_can(
    manager_of: Managers, records: list[ProxyRecord], order: str
) -> None:
    manager = manager_of(health=HealthPolicy(max_failures=1, cooldown=600))
    down, *well = [record.id for record in records]
    alone = Selection(exclude=tuple(well))
    for n in range(40):
        manager.release(manager.acquire(f"s{n}", hold=30, policy=HARD, selection=alone))
    elsewhere = Selection(exclude=(down,))
    manager.release(manager.acquire("fit", hold=30, policy=HARD, selection=elsewhere))
    manager.release(manager.acquire("s0", hold=30), Outcome.FAULT)

    found = []
    for _ in range(4):
        with suppress(SessionBusy):
            found.append(manager.borrow(hold=30, order=order).session)

    assert found == ["fit"]
