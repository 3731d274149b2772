"""What cannot be asked for is refused before Redis is, by its name."""

import math
from collections.abc import Callable

import pytest

from limpet.errors import InvalidArgument, LimpetError
from proxies import Outcome
from sessions import Lease, SessionManager
from sessions.operation import Tally

NAMES = ["", "~tmp", "a b", "a\n", "ü", "{x}", "x" * 129]
HOLDS = [0, -1, math.nan, math.inf, -math.inf, 1e18]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_no_session_can_have_is_refused(
    manager: SessionManager, name: str
) -> None:
    lease = manager.acquire("s", hold=30)

    with pytest.raises(InvalidArgument, match=r"^session_id: must be 1 to 128 of"):
        manager.acquire(name, hold=30)
    with pytest.raises(InvalidArgument, match=r"^session_id:"):
        manager.release_and_acquire(lease, Outcome.OK, name, hold=30)

    manager.renew(lease, hold=30)
    assert [info.session for info in manager.all()] == ["s"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda manager, _, hold: manager.acquire("t", hold=hold),
        lambda manager, _, hold: manager.acquire(None, hold=hold),
        lambda manager, _, hold: manager.borrow(hold=hold),
        lambda manager, lease, hold: manager.renew(lease, hold=hold),
        lambda manager, lease, hold: manager.progress(lease, Tally(), hold=hold),
        lambda manager, lease, hold: manager.release_and_acquire(
            lease, Outcome.OK, "t", hold=hold
        ),
    ],
    ids=["acquire", "temporary", "borrow", "renew", "progress", "next"],
)
@pytest.mark.parametrize("hold", HOLDS)
def test_a_time_that_no_lease_can_last_is_refused(
    manager: SessionManager,
    ask: Callable[[SessionManager, Lease, float], object],
    hold: float,
) -> None:
    lease = manager.acquire("s", hold=30)

    with pytest.raises(InvalidArgument, match=r"^hold: must be seconds from above 0"):
        ask(manager, lease, hold)

    manager.renew(lease, hold=30)
    assert [info.session for info in manager.all()] == ["s"]


def test_a_bad_argument_is_an_error_of_ours_and_of_python(
    manager: SessionManager,
) -> None:
    with pytest.raises(ValueError, match=r"^order: must be lru or next$") as caught:
        manager.borrow(hold=30, order="best")

    assert isinstance(caught.value, LimpetError)
