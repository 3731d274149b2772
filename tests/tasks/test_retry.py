"""When a job goes on, and when it has failed."""

import time

import pytest

from limpet.errors import (
    FetchError,
    JobFailed,
    NoProxyAvailable,
    SessionBusy,
    StoreUnavailable,
)
from limpet.settings import Settings
from tasks.retry import HEADER, History

CONFIG = Settings(job_max_tries=3, job_max_age_seconds=100, _env_file=None)
REFUSED = FetchError("proxy", "connect", "the proxy cannot be reached")


def test_a_fetch_burns_a_try_and_the_last_failure_tells_them_all() -> None:
    history = History.of(None)
    for proxy in ("a1", "b2"):
        history, wait = history.after(REFUSED, proxy, CONFIG)
        assert 0 < wait < 1

    with pytest.raises(JobFailed) as caught:
        history.after(REFUSED, "c3", CONFIG)

    text = str(caught.value)
    assert text.startswith("given up after 3 tries in 0.0 s: proxy a1: connect")
    assert "proxy b2" in text
    assert "proxy c3" in text


def test_waiting_for_a_session_burns_no_try() -> None:
    history = History.of(None)
    waits = []
    for _ in range(50):
        history, wait = history.after(SessionBusy("p", "s", 1), "", CONFIG)
        waits.append(wait)

    assert history.met == ()
    assert max(waits) <= 2
    assert min(waits) < 0.11


def test_a_job_that_waited_too_long_has_failed() -> None:
    old = History(since=time.time() - 99.9, waits=20)

    with pytest.raises(JobFailed, match=r"in 99.9 s: .*in use by another job"):
        old.after(SessionBusy("p", "s", 1), "", CONFIG)


def test_a_job_waits_until_a_proxy_is_due() -> None:
    _, soon = History.of(None).after(NoProxyAvailable("p", 20), "", CONFIG)
    _, later = History.of(None).after(NoProxyAvailable("p", 3000), "", CONFIG)

    assert 20 < soon < 21
    assert 30 <= later <= 60, "longer, and the message would be delivered again"


def test_a_pool_without_proxies_fails_at_once_and_says_what_to_do() -> None:
    with pytest.raises(
        JobFailed, match=r"^pool 'p' has no proxy that is in use: import some"
    ):
        History.of(None).after(NoProxyAvailable("p", None), "", CONFIG)


def test_what_another_try_cannot_cure_fails_at_once() -> None:
    bad = FetchError("target", "certificate", "the certificate is not valid")

    with pytest.raises(JobFailed, match=r"given up after 1 try .*certificate"):
        History.of(None).after(bad, "a1", CONFIG)


@pytest.mark.parametrize("strange", [{}, {HEADER: "x"}, {HEADER: {"since": "x"}}])
def test_a_strange_header_is_a_first_run(strange: dict[str, object]) -> None:
    assert History.of(strange).waits == 0


def test_the_history_travels_in_the_message() -> None:
    history, _ = History.of(None).after(REFUSED, "a1", CONFIG)
    history, _ = history.after(StoreUnavailable("cannot reach Redis"), "", CONFIG)

    assert History.of(history.headers()) == history
    assert history.headers()[HEADER]["waits"] == 2


def test_a_proxy_is_suspected_once_of_what_may_be_the_target_s_fault() -> None:
    broken = FetchError("unknown", "broken", "the connection broke")
    history, _ = History.of(None).after(broken, "a1", CONFIG)
    history, _ = history.after(REFUSED, "b2", CONFIG)

    again = History.of(history.headers())

    assert again.suspects("a1")
    assert not again.suspects("b2"), "which is to blame for certain"
    assert not again.suspects("a")
