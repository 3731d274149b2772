"""A site that attacks whoever visits it: one clear error, in time, in little memory."""

import json
import resource
import time
from collections.abc import Callable

import pytest

from lab import Lab
from limpet.errors import AddressRefused, Blame, FetchError
from proxies import Proxy, parse_proxy
from sessions import Lease
from tasks.fetching import Request
from tasks.http import Fetcher

LeaseOf = Callable[[Proxy], Lease]
ROUTES = ("direct", "http", "socks5h")
TIMEOUT = 1.0
#: The overrun itself is measured by bench/hostile.py; this tells a hang on a busy
#: machine.
LATE = TIMEOUT + 2.0


@pytest.fixture(params=ROUTES)
def lease(request: pytest.FixtureRequest, lab: Lab, lease_of: LeaseOf) -> Lease:
    """A lease on each kind of way to the site."""
    if request.param == "direct":
        return lease_of(Proxy("direct", "", 0))
    return lease_of(parse_proxy(lab.proxies[ROUTES.index(request.param) - 1].line))


@pytest.fixture(params=["http", "https"])
def site(request: pytest.FixtureRequest, hostile: dict[str, int]) -> str:
    return f"{request.param}://127.0.0.1:{hostile[request.param]}"


def failure(fetcher: Fetcher, lease: Lease, url: str, timeout: float) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(lease, Request(f"{url}?token=S3cret", timeout=timeout))
    error = caught.value
    assert "S3cret" not in json.dumps(error.args) + str(error)
    assert error.__suppress_context__ or error.__context__ is None
    return error


@pytest.mark.parametrize(
    "page",
    [
        *("hang", "hang-status", "hang-head", "hang-body"),
        *("drip-head", "drip-body", "chunks", "empty-blocks"),
    ],
)
def test_no_page_holds_a_fetch_beyond_its_time(
    trusting: Fetcher, lease: Lease, site: str, page: str
) -> None:
    start = time.monotonic()

    error = failure(trusting, lease, f"{site}/{page}", TIMEOUT)

    assert TIMEOUT * 0.9 < time.monotonic() - start < LATE
    assert error.kind == "timeout"
    assert error.blame is (Blame.TARGET if lease.proxy.direct else Blame.UNKNOWN)


@pytest.mark.parametrize(
    "page",
    [
        *("no-http", "two-lengths", "long-line", "long-status"),
        *("many-headers", "continues", "redirect-apart"),
    ],
)
def test_what_is_no_http_is_said_to_be_none(
    trusting: Fetcher, lease: Lease, site: str, page: str
) -> None:
    error = failure(trusting, lease, f"{site}/{page}", 20)

    if lease.proxy.scheme == "http" and site.startswith("http:"):
        # The proxy reads it first, and may break as well.
        assert (error.blame, error.kind) in {
            (Blame.UNKNOWN, "protocol"),
            (Blame.UNKNOWN, "broken"),
        }
    else:
        assert (error.blame, error.kind) == (Blame.TARGET, "protocol")


@pytest.mark.parametrize(
    "page",
    [
        *("nothing", "half-head", "reset", "reset-head", "reset-body"),
        *("bad-length", "huge-chunk"),
    ],
)
def test_a_broken_answer_is_no_page(
    trusting: Fetcher, lease: Lease, site: str, page: str
) -> None:
    error = failure(trusting, lease, f"{site}/{page}", 20)

    assert error.kind == "broken"
    assert error.blame is (Blame.TARGET if lease.proxy.direct else Blame.UNKNOWN)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_packed_body_that_was_cut_off_is_no_page(
    trusting: Fetcher, lease: Lease, site: str, coding: str
) -> None:
    error = failure(trusting, lease, f"{site}/cut-{coding}", 20)

    assert error.kind == "broken"
    assert error.blame is (Blame.TARGET if lease.proxy.direct else Blame.UNKNOWN)


@pytest.mark.parametrize(
    ("page", "size"), [("gzip-and-more", 5000), ("gzip-of-nothing", 0)]
)
def test_a_packed_body_is_whole_with_more_behind_it_and_with_nothing_in_it(
    trusting: Fetcher, lease: Lease, site: str, page: str, size: int
) -> None:
    found = trusting.fetch(lease, Request(f"{site}/{page}", timeout=20))

    assert (len(found.body), found.truncated) == (size, False)


@pytest.mark.parametrize("page", ["no-gzip", "no-br"])
def test_a_body_that_cannot_be_decoded_is_the_target_s_fault(
    trusting: Fetcher, lease: Lease, site: str, page: str
) -> None:
    error = failure(trusting, lease, f"{site}/{page}", 20)

    assert (error.blame, error.kind) == (Blame.TARGET, "encoding")


@pytest.mark.parametrize("page", ["round", "big-round"])
def test_redirects_without_end_end(
    trusting: Fetcher, lease: Lease, site: str, page: str
) -> None:
    error = failure(trusting, lease, f"{site}/{page}", 20)

    assert (error.blame, error.kind) == (Blame.TARGET, "redirects")


def test_a_redirect_to_the_inside_is_refused(
    trusting: Fetcher, lease: Lease, site: str
) -> None:
    with pytest.raises(AddressRefused, match=r"169\.254\.169\.254 is not public"):
        trusting.fetch(lease, Request(f"{site}/inside", timeout=20))


def test_more_than_was_said_is_not_taken_for_the_next_answer(
    trusting: Fetcher, lease: Lease, site: str
) -> None:
    pages = [
        trusting.fetch(lease, Request(f"{site}/too-long", timeout=20)) for _ in range(3)
    ]

    assert {page.body for page in pages} == {b"hello"}


@pytest.mark.parametrize(
    "page", ["bomb-gzip", "bomb-gzip-twice", "bomb-deflate", "bomb-br", "flood"]
)
def test_a_bomb_costs_no_more_than_its_cap(
    trusting: Fetcher, lease: Lease, site: str, page: str
) -> None:
    request = Request(f"{site}/{page}", timeout=60, max_bytes=1_000_000)
    # The first one may load a decoder.
    trusting.fetch(lease, request)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    found = trusting.fetch(lease, request)

    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (len(found.body), found.truncated) == (1_000_000, True)
    assert grown < 10_000, "kB, of the 300,000 that were offered"


@pytest.mark.parametrize(
    ("port", "kind", "blame"),
    [
        ("self-signed", "certificate", Blame.TARGET),
        ("expired", "certificate", Blame.TARGET),
        ("wrong-host", "certificate", Blame.TARGET),
        # Who wrote what is no TLS, nobody can tell.
        ("no-tls", "tls", Blame.UNKNOWN),
        ("mute-tls", "timeout", Blame.UNKNOWN),
    ],
)
def test_bad_tls_is_named(
    trusting: Fetcher,
    lease: Lease,
    hostile: dict[str, int],
    port: str,
    kind: str,
    blame: Blame,
) -> None:
    url = f"https://127.0.0.1:{hostile[port]}/x"

    error = failure(trusting, lease, url, TIMEOUT if port == "mute-tls" else 20)

    assert error.kind == kind
    assert error.blame is (Blame.TARGET if lease.proxy.direct else blame)
