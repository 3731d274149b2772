"""Who may write a session's state, and when."""

from collections.abc import Callable

import pytest
from redis import Redis

from limpet.errors import LeaseLost, SessionBusy, StateConflict
from limpet.keys import Keys
from limpet.scripts import Script
from limpet.sealing import Sealer
from sessions import SessionManager
from sessions.state import encode

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


@pytest.mark.parametrize("written", [False, True])
def test_what_was_read_in_one_life_is_not_put_into_the_next(
    manager: SessionManager, *, written: bool
) -> None:
    for _ in range(100):  # most lives are over within the millisecond
        lease = manager.acquire("s", hold=30)
        manager.release(lease, patch={"metadata": {"life": 1}} if written else None)
        read = manager.state("s")
        assert read
        manager.close("s")
        lease = manager.acquire("s", hold=30)
        manager.release(lease, patch={"metadata": {"life": 2}} if written else None)

        with pytest.raises(StateConflict):
            manager.put_state("s", read.patched({"metadata": {"of": "the old one"}}))
        known = manager.acquire("s", hold=30, known=read)

        assert known.state.metadata == ({"life": 2} if written else {})
        manager.release(known)
        manager.close("s")


def test_two_sessions_do_not_answer_for_each_other(
    redis: Redis, manager_of: Managers
) -> None:
    manager = manager_of()
    for name in "ab":
        manager.release(manager.acquire(name, hold=30))
    script, keys = Script("sessions", "put_state"), [Keys("default").tag]

    for name in "ab":
        state = manager.state(name)
        assert state
        blob = encode(state.patched({"user_agent": name}), Sealer())
        assert blob
        script(redis, keys, [name, state.version, blob, "same"])

    found = [manager.state(name) for name in "ab"]
    assert [one and one.user_agent for one in found] == ["a", "b"]


def _put(manager: SessionManager) -> bool:
    try:
        return manager.set_metadata("s", note="kept")
    except SessionBusy:
        return False
