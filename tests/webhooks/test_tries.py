"""When a delivery is tried again, and when it is over."""

import time
from dataclasses import replace

import pytest

from limpet.errors import JobFailed
from limpet.settings import Settings
from tasks.sender import Answer
from tasks.tries import HEADER, Tries

CONFIG = Settings(
    webhook_backoff_seconds=4,
    webhook_max_tries=5,
    webhook_max_age_seconds=1000,
    _env_file=None,
)
BUSY = Answer("the receiver answered 500", status=500)


def _waits(made: int) -> list[float]:
    tries = Tries(time.time(), made=made)
    return [tries.after(BUSY, CONFIG).due - time.time() for _ in range(200)]


def test_waits_are_spread_over_a_bound_that_doubles() -> None:
    for made, bound in ((0, 4), (1, 8), (2, 16)):
        waits = _waits(made)

        assert max(waits) <= bound
        assert max(waits) > bound / 2
        assert min(waits) < bound / 4


def test_a_receiver_s_own_time_is_never_undercut() -> None:
    later = replace(BUSY, retry_after=90)

    tries = Tries(time.time()).after(later, CONFIG)

    assert 89 < tries.due - time.time() < 91
    assert tries.early
    assert tries.wait(CONFIG) <= 60, "longer, and the message would be delivered again"


def test_the_last_try_ends_it_and_says_why() -> None:
    tries = Tries(time.time())
    for _ in range(4):
        tries = tries.after(BUSY, CONFIG)

    with pytest.raises(JobFailed, match=r"after 5 tries in 0.0 s: the receiver answ"):
        tries.after(BUSY, CONFIG)


def test_age_ends_it_too() -> None:
    old = Tries(time.time() - 999)

    with pytest.raises(JobFailed, match=r"after 1 try in 999\.0 s"):
        old.after(replace(BUSY, retry_after=10), CONFIG)
    with pytest.raises(JobFailed, match="of waiting"):
        old.later(10, CONFIG)


def test_who_is_gone_is_not_asked_again() -> None:
    gone = Answer("the receiver answered 410", status=410, final=True)

    with pytest.raises(JobFailed, match=r"after 1 try .* answered 410"):
        Tries(time.time()).after(gone, CONFIG)


def test_waiting_burns_no_try() -> None:
    tries = Tries(time.time())
    for _ in range(20):
        tries = tries.later(1, CONFIG)

    assert tries.made == 0
    assert tries.early


@pytest.mark.parametrize("strange", [None, {}, {HEADER: 1}, {HEADER: {"since": "x"}}])
def test_a_strange_header_is_a_first_run(strange: dict[str, object] | None) -> None:
    assert Tries.of(strange).made == 0


def test_the_tries_travel_in_the_message() -> None:
    tries = Tries(time.time()).after(BUSY, CONFIG)

    assert Tries.of(tries.headers()) == tries
