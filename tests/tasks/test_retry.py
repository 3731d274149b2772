"""When a job goes on, and when it has failed."""

import time

import pytest

from limpet.errors import (
    DomainBusy,
    ExtractionFailed,
    FetchError,
    JobFailed,
    LeaseLost,
    NoProxyAvailable,
    RobotsRefused,
    ScriptFailed,
    SessionBusy,
    SessionLost,
    StoreUnavailable,
    WorkerExhausted,
)
from limpet.jobs import ScrapeJob
from limpet.settings import Settings
from tasks.retry import HEADER, History, may_have_arrived

JOB = ScrapeJob(url="https://shop.example/")
CONFIG = Settings(job_max_tries=3, job_max_age_seconds=100, _env_file=None)
REFUSED = FetchError("proxy", "connect", "the proxy cannot be reached")


def test_a_fetch_burns_a_try_and_the_last_failure_tells_them_all() -> None:
    history = History.of(None)
    for proxy in ("a1", "b2"):
        history, wait = history.after(REFUSED, JOB, CONFIG, proxy=proxy)
        assert 0 < wait < 1

    with pytest.raises(JobFailed) as caught:
        history.after(REFUSED, JOB, CONFIG, proxy="c3")

    text = str(caught.value)
    assert text.startswith("given up after 3 tries in 0.0 s: proxy a1: connect")
    assert "proxy b2" in text
    assert "proxy c3" in text


def test_waiting_for_a_session_burns_no_try() -> None:
    history = History.of(None)
    waits = []
    for _ in range(50):
        history, wait = history.after(SessionBusy("p", "s", 1), JOB, CONFIG)
        waits.append(wait)

    assert history.met == ()
    assert max(waits) <= 2
    assert min(waits) < 0.11


def test_waiting_for_a_worker_s_sockets_burns_no_try() -> None:
    history = History(time.time())

    after, wait = history.after(WorkerExhausted("sockets (EMFILE)"), JOB, CONFIG)

    assert (after.met, after.waits) == ((), 1)
    assert 0 <= wait <= 1


def test_waiting_for_a_domain_burns_no_try_and_lasts_as_long_as_told() -> None:
    told = {"rate": 7.0, "paused": 20.0, "concurrency": 40.0}
    waits = {}
    for reason, seconds in told.items():
        busy = DomainBusy("a.test", seconds, reason)
        history, waits[reason] = History.of(None).after(busy, JOB, CONFIG)
        assert history.met == ()

    assert 7 <= waits["rate"] < 8
    assert 20 <= waits["paused"] < 23
    assert waits["concurrency"] < 1, "whoever holds the place may be done any moment"


def test_what_no_other_run_can_cure_is_final() -> None:
    for error in (
        RobotsRefused("a.test", "disallowed"),
        ExtractionFailed("extract.a", "is required, and the page has none"),
    ):
        with pytest.raises(JobFailed) as failure:
            History.of(None).after(error, JOB, CONFIG)
        assert str(failure.value) == str(error)


def test_a_job_that_waited_too_long_has_failed() -> None:
    old = History(since=time.time() - 100.5, waits=20)

    with pytest.raises(JobFailed, match=r"in 100\.\d s: .*in use by another job"):
        old.after(SessionBusy("p", "s", 1), JOB, CONFIG)


def test_a_job_waits_until_a_proxy_is_due() -> None:
    _, soon = History.of(None).after(NoProxyAvailable("p", 20), JOB, CONFIG)
    _, later = History.of(None).after(NoProxyAvailable("p", 3000), JOB, CONFIG)

    assert 20 < soon < 21
    assert 30 <= later <= 60, "longer, and the message would be delivered again"


def test_a_pool_without_proxies_fails_at_once_and_says_what_to_do() -> None:
    with pytest.raises(
        JobFailed, match=r"^pool 'p' has no proxy that is in use: import some"
    ):
        History.of(None).after(NoProxyAvailable("p", None), JOB, CONFIG)


def test_what_another_try_cannot_cure_fails_at_once() -> None:
    bad = FetchError("target", "certificate", "the certificate is not valid")

    with pytest.raises(JobFailed, match=r"given up after 1 try .*certificate"):
        History.of(None).after(bad, JOB, CONFIG, proxy="a1")


def test_a_script_that_broke_is_not_tried_again() -> None:
    with pytest.raises(JobFailed, match=r"LIMPET_STRATEGIES_DIR.*: line 1"):
        History.of(None).after(ScriptFailed("line 1"), JOB, CONFIG)


STRANGE = {"since": 0.0, "waits": 1, "met": [], "failed": ""}


@pytest.mark.parametrize(
    "strange",
    [
        {},
        {HEADER: "x"},
        {HEADER: {"since": "x"}},
        {HEADER: {**STRANGE, "waits": float("inf")}},
        {HEADER: {**STRANGE, "met": 5}},
    ],
)
def test_a_strange_header_is_a_first_run(strange: dict[str, object]) -> None:
    assert History.of(strange).waits == 0


def test_no_header_makes_a_job_live_for_ever() -> None:
    for since in (1e300, float("inf"), float("nan")):
        history = History.of({HEADER: {**STRANGE, "since": since, "met": [5] * 999}})

        assert history.since <= time.time()
        assert history.met == ("5",) * 50


def test_waits_are_spread_from_nothing_to_twice_the_last_one() -> None:
    many = ScrapeJob(url=JOB.url)
    config = CONFIG.model_copy(update={"job_max_tries": 50})
    longest = []
    for tries in range(8):
        history = History(time.time(), met=("x",) * tries)
        waits = [history.after(REFUSED, many, config)[1] for _ in range(300)]
        longest.append(max(waits))
        assert min(waits) < 0.1 * max(waits)

    for n, seconds in enumerate(longest):
        assert 0.8 * min(15, 0.25 * 2**n) < seconds <= min(15, 0.25 * 2**n)


def test_a_hard_session_s_proxy_is_waited_for_and_one_that_is_gone_is_not() -> None:
    down = SessionLost("p", "s", 20, "proxy_down")
    history, wait = History.of(None).after(down, JOB, CONFIG)

    assert history.met == ()
    assert 20 <= wait <= 35
    with pytest.raises(JobFailed, match="has lost its proxy and was closed"):
        History.of(None).after(SessionLost("p", "s", None, "proxy_lost"), JOB, CONFIG)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    "error",
    [
        FetchError("unknown", "timeout", "not done in time"),
        LeaseLost("p", "s"),
        StoreUnavailable("cannot reach Redis"),
    ],
)
def test_what_may_have_had_its_effect_is_not_sent_again(
    method: str, error: FetchError
) -> None:
    job = ScrapeJob.parse((), {"url": JOB.url, "method": method})

    with pytest.raises(JobFailed, match=f"no {method} is sent twice"):
        History.of(None).after(error, job, CONFIG, sent=True)
    assert History.of(None).after(error, job, CONFIG)
    assert History.of(None).after(error, JOB, CONFIG, sent=True)


def test_what_never_came_to_the_site_has_not_arrived() -> None:
    never = [
        FetchError("proxy", "connect"),
        FetchError("proxy", "timeout", "no connection in time, at the dial"),
        FetchError("unknown", "tunnel"),
        FetchError("block", "blocked"),
    ]
    perhaps = [
        FetchError("unknown", "timeout"),
        FetchError("target", "timeout"),
        FetchError("unknown", "broken"),
        FetchError("target", "protocol"),
        FetchError("unknown", "gateway"),
    ]
    redirected = FetchError("proxy", "connect")
    redirected.redirected = True

    assert not any(map(may_have_arrived, never))
    assert all(map(may_have_arrived, [*perhaps, redirected]))


def test_the_history_travels_in_the_message() -> None:
    history, _ = History.of(None).after(REFUSED, JOB, CONFIG, proxy="a1")
    history, _ = history.after(StoreUnavailable("cannot reach Redis"), JOB, CONFIG)

    assert History.of(history.headers()) == history
    sent_anew = History.of({HEADER: {"again": "x"}})
    assert (sent_anew.again, sent_anew.met, sent_anew.anew().again) == ("x", (), "x")
    assert history.headers()[HEADER]["waits"] == 1


def test_a_proxy_is_suspected_once_of_what_may_be_the_target_s_fault() -> None:
    broken = FetchError("unknown", "broken", "the connection broke")
    history, _ = History.of(None).after(broken, JOB, CONFIG, proxy="a1")
    history, _ = history.after(REFUSED, JOB, CONFIG, proxy="b2")

    again = History.of(history.headers())

    assert again.suspects("a1")
    assert not again.suspects("b2"), "which is to blame for certain"
    assert not again.suspects("a")
