"""Requests a second, requests at a time, and what sites ask for."""

import pickle
from collections.abc import Callable
from itertools import pairwise

import pytest
from redis import Redis

from limpet.connection import connect
from limpet.errors import Blame, DomainBusy, FetchError, SessionBusy, StoreUnavailable
from limpet.keys import DomainKeys
from limpet.politeness_settings import DomainLimit
from politeness import DomainLimits, Slot
from politeness.limits import domain_of
from politeness.store import DomainStore

Make = Callable[..., DomainLimits]
Eventually = Callable[..., None]
URL = "http://a.test/1"


def refusal(limits: DomainLimits, url: str = URL) -> DomainBusy:
    with pytest.raises(DomainBusy) as busy:
        limits.take(url, hold=60)
    return busy.value


def test_a_rate_is_for_all_pages_of_a_domain(limits_of: Make) -> None:
    limits_of(rate=0.1).take(URL, hold=60)

    busy = refusal(limits_of(rate=0.1), "https://A.test:8443/2")

    assert (busy.domain, busy.reason) == ("a.test", "rate")
    assert 5 < busy.retry_after <= 10
    limits_of(rate=0.1).take("http://b.test/", hold=60)


def test_those_who_are_refused_are_told_different_times(limits_of: Make) -> None:
    limits = limits_of(rate=0.1)
    limits.take(URL, hold=60)

    waits = [refusal(limits).retry_after for _ in range(8)]

    apart = [later - one for one, later in pairwise(waits)]
    assert all(5 < one <= 10.1 for one in apart[:4])
    assert max(waits) <= 60


def test_a_burst_may_go_at_once(limits_of: Make) -> None:
    limits = limits_of(rate=0.1, burst=3)

    for _ in range(3):
        limits.give(limits.take(URL, hold=60))

    assert refusal(limits).reason == "rate"


def test_a_turn_comes_again(limits_of: Make, eventually: Eventually) -> None:
    limits = limits_of(rate=20)
    limits.take(URL, hold=60)

    def granted() -> bool:
        try:
            limits.take(URL, hold=60)
        except DomainBusy:
            return False
        return True

    eventually(granted)


def test_requests_at_a_time_are_limited_until_one_is_done(limits_of: Make) -> None:
    limits = limits_of(concurrency=2)
    first = limits.take(URL, hold=60)
    limits.take(URL, hold=60)

    assert refusal(limits).reason == "concurrency"
    limits.give(first)
    limits.give(first)
    limits.take(URL, hold=60)
    assert refusal(limits).reason == "concurrency"


def test_a_request_that_was_never_sent_takes_no_turn(limits_of: Make) -> None:
    limits = limits_of(rate=0.1)

    limits.give(limits.take(URL, hold=60), used=False)

    with pytest.raises(SessionBusy), limits.slot(URL, hold=60):
        raise SessionBusy("p", "s", 1)
    with pytest.raises(FetchError), limits.slot(URL, hold=60):
        raise FetchError(Blame.TARGET, "reset")
    assert refusal(limits).reason == "rate"


def test_a_turn_that_others_followed_is_not_taken_back(limits_of: Make) -> None:
    limits = limits_of(rate=0.1, burst=2)
    first = limits.take(URL, hold=60)
    limits.take(URL, hold=60)

    limits.give(first, used=False)

    assert refusal(limits).reason == "rate"


def test_a_pause_is_for_everybody(limits_of: Make) -> None:
    limits_of().pause(URL, 30)

    busy = refusal(limits_of(), "http://a.test/other")

    assert busy.reason == "paused"
    assert 25 < busy.retry_after <= 30


def test_a_pause_is_never_made_shorter(limits_of: Make) -> None:
    limits = limits_of()
    limits.pause(URL, 30)
    limits.pause(URL, 1)

    assert refusal(limits).retry_after > 20


def test_a_pause_has_an_end_of_our_own(limits_of: Make, redis: Redis) -> None:
    limits = limits_of(longest_pause=100)
    limits.pause(URL, 10**9)

    assert 90 < refusal(limits).retry_after <= 100
    assert redis.ttl(DomainKeys("a.test").state) < 200
    limits_of(longest_pause=0).pause("http://b.test/", 30)
    limits.take("http://b.test/", hold=60)


def test_a_worker_hears_of_a_pause_soon_without_asking_for_each_page(
    limits_of: Make, eventually: Eventually, redis: Redis
) -> None:
    limits = limits_of()
    limits.take(URL, hold=60)
    before = redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    for _ in range(100):
        limits.take(URL, hold=60)
    asked = redis.info("commandstats")["cmdstat_evalsha"]["calls"] - before

    limits_of().pause(URL, 30)

    def paused() -> bool:
        try:
            limits.take(URL, hold=60)
        except DomainBusy:
            return True
        return False

    # One a second, on whatever machine.
    assert asked < 50
    eventually(paused)


def test_a_crawl_delay_slows_everybody_down(limits_of: Make) -> None:
    limits_of().crawl_delay(URL, 20, keep=100)

    assert refusal(limits_of()).reason == "rate"
    assert refusal(limits_of(rate=100, burst=50)).retry_after > 15


def test_a_crawl_delay_counts_for_its_time_and_is_told_again_without_harm(
    limits_of: Make, eventually: Eventually, redis: Redis
) -> None:
    limits = limits_of()
    for _ in range(3):
        limits.crawl_delay(URL, 20, keep=4)

    assert refusal(limits).retry_after <= 20

    def free() -> bool:
        try:
            return not limits.take(URL, hold=60).nonce
        except DomainBusy:
            return False

    eventually(free)


def test_subdomains_fall_under_a_parent_that_is_listed(limits_of: Make) -> None:
    domains = {
        "shop.test": {"concurrency": 1},
        "api.shop.test": {"concurrency": 2},
    }
    limits = limits_of(domains=domains, concurrency=3)

    found = {
        host: limits.limit_of(f"http://{host}/")
        for host in ("shop.test", "www.shop.test", "v2.api.shop.test", "myshop.test")
    }

    assert {host: (name, one.concurrency) for host, (name, one) in found.items()} == {
        "shop.test": ("shop.test", 1),
        "www.shop.test": ("shop.test", 1),
        "v2.api.shop.test": ("api.shop.test", 2),
        "myshop.test": ("myshop.test", 3),
    }


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("http://Bücher.test./", "xn--bcher-kva.test"),
        ("http://127.0.0.1:80/", "127.0.0.1"),
        ("http://[::1]:80/", "::1"),
        ("http://u:p@a{b}.test/", "a%7Bb%7D.test"),
    ],
)
def test_a_domain_is_fit_for_a_key(url: str, domain: str) -> None:
    assert domain_of(url) == domain


def test_a_request_that_is_sent_again_takes_one_slot(redis: Redis) -> None:
    store = DomainStore(redis)
    options: list[int | float] = [60_000, 100.0, 1, 1, 60_000, 0]

    first = store.take("a.test", "aa", options)
    again = store.take("a.test", "aa", options)

    assert (first[0], again[0]) == (b"T", b"T")
    assert redis.zcard(DomainKeys("a.test").slots) == 1
    assert store.take("a.test", "bb", options)[0] == b"W"
    assert store.give("a.test", "aa", ("", ""))
    assert not store.give("a.test", "aa", ("", ""))


def test_a_redis_that_is_away_loses_no_page(free_port: Callable[[], int]) -> None:
    gone = connect(f"redis://127.0.0.1:{free_port()}/0")
    limits = DomainLimits(DomainStore(gone), default=DomainLimit(concurrency=1))

    limits.give(Slot("a.test", "aa", ("1", "2")))

    with pytest.raises(StoreUnavailable):
        limits.take(URL, hold=60)


def test_the_error_survives_a_trip() -> None:
    busy = pickle.loads(pickle.dumps(DomainBusy("a.test", 1.5, "rate")))

    assert (busy.domain, busy.retry_after, busy.reason) == ("a.test", 1.5, "rate")
    assert "wait 1.5 s" in str(busy)
