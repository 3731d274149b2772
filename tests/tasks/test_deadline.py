"""A fetch ends at its deadline, whatever the other side does."""

import time
from collections.abc import Callable

import pytest

from lab import Lab
from limpet.errors import Blame, FetchError
from proxies import Proxy, parse_proxy
from sessions import Lease
from tasks.fetching import Request
from tasks.http import Fetcher

LeaseOn = Callable[[Proxy], Lease]
TIMEOUT = 1.0
#: Far above what is needed on a busy machine, far below what the other side would take.
LATE = TIMEOUT + 1.5


def failure(fetcher: Fetcher, lease: Lease, url: str) -> FetchError:
    start = time.monotonic()
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(lease, Request(url, timeout=TIMEOUT, max_bytes=1_000_000))
    assert TIMEOUT * 0.9 < time.monotonic() - start < LATE
    return caught.value


@pytest.mark.parametrize("number", [0, 1], ids=["http", "socks5h"])
@pytest.mark.parametrize(
    "page", ["drip-head", "drip-body", "late-head", "drip-redirect"]
)
def test_a_site_cannot_hold_a_fetch_beyond_its_timeout(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, page: str, number: int
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[number].line))

    error = failure(fetcher, lease, f"{lab.rude}/{page}")

    assert (error.blame, error.kind) == (Blame.UNKNOWN, "timeout")


@pytest.mark.parametrize("number", [0, 1], ids=["http", "socks5h"])
def test_nor_can_it_on_a_connection_that_was_kept(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, number: int
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[number].line))
    fetcher.fetch(lease, Request(f"{lab.site}/whoami", timeout=5, max_bytes=1_000_000))

    error = failure(fetcher, lease, f"{lab.site}/shop/x/1?delay=20")

    assert (error.blame, error.kind) == (Blame.UNKNOWN, "timeout")


@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_a_proxy_cannot_either(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, scheme: str, target: str
) -> None:
    lease = lease_on(Proxy(scheme, "127.0.0.1", lab.rude_port, "u", "pw"))

    error = failure(fetcher, lease, f"{target}://127.0.0.1:1/drip-head")

    assert (error.blame, error.kind) == (Blame.UNKNOWN, "timeout")


def test_a_tls_handshake_that_is_never_answered_ends_too(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, silent_port: int
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[1].line))

    error = failure(fetcher, lease, f"https://127.0.0.1:{silent_port}/")

    assert (error.blame, error.kind) == (Blame.UNKNOWN, "timeout")


def test_the_time_of_all_redirects_is_one(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[0].line))

    error = failure(fetcher, lease, f"{lab.site}/redirect/9?delay=0.3")

    assert (error.blame, error.kind) == (Blame.UNKNOWN, "timeout")


def test_a_proxy_that_does_not_answer_the_dial_is_blamed(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, full_port: int
) -> None:
    lease = lease_on(Proxy("socks5h", "127.0.0.1", full_port, "u", "pw"))

    error = failure(fetcher, lease, lab.site)

    assert (error.blame, error.kind) == (Blame.PROXY, "timeout")


def test_a_fetch_in_time_is_not_disturbed_by_a_late_one(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[1].line))
    failure(fetcher, lease, f"{lab.rude}/drip-head")
    fetcher.drop(lease)

    page = fetcher.fetch(
        lease, Request(f"{lab.site}/shop/x/1?delay=1", timeout=20, max_bytes=1_000_000)
    )

    assert page.status == 200
