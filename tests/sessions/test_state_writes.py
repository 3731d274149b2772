"""Who may write a session's state, and when."""

from collections.abc import Callable

import pytest

from limpet.errors import LeaseLost, SessionBusy
from sessions import SessionManager

Managers = Callable[..., SessionManager]


def test_a_state_is_not_put_under_the_one_holder_of_its_session(
    manager: SessionManager,
) -> None:
    lease = manager.acquire("s", hold=30)

    with pytest.raises(SessionBusy):
        manager.set_metadata("s", note="lost")
    manager.release(lease, patch={"metadata": {"job": 1}})

    assert manager.set_metadata("s", note="kept")
    assert manager.acquire("s", hold=30).state.metadata == {"job": 1, "note": "kept"}


def test_a_late_holder_does_not_undo_a_state_that_was_put(
    manager_of: Managers, eventually: Callable[..., None]
) -> None:
    manager = manager_of(margin=0)
    late = manager.acquire("s", hold=0.001)
    eventually(lambda: _put(manager))

    with pytest.raises(LeaseLost):
        manager.release(late, patch={"metadata": {"job": 1}})

    assert manager.acquire("s", hold=30).state.metadata == {"note": "kept"}


def test_a_shared_session_takes_values_while_it_is_leased(manager_of: Managers) -> None:
    manager = manager_of(max_leases=4)
    manager.acquire("s", hold=30)

    assert manager.set_metadata("s", one=1)
    assert manager.set_metadata("s", two=2)
    assert not manager.set_metadata("another", three=3)

    assert manager.acquire("s", hold=30).state.metadata == {"one": 1, "two": 2}


def _put(manager: SessionManager) -> bool:
    try:
        return manager.set_metadata("s", note="kept")
    except SessionBusy:
        return False
