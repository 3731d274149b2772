"""Each way a proxy can fail, over HTTP and SOCKS5, for http and https: who is blamed.

The same table is in docs/fetching.md.
"""

import json
import pickle
from collections.abc import Callable

import pytest

from limpet.errors import Blame, FetchError
from proxies import Proxy
from sessions import Lease
from tasks.fetching import Fetcher, Request

LeaseOf = Callable[[Proxy], Lease]

#: failure: (blame, kind) over an HTTP proxy for http, for https; over SOCKS5 for both.
TABLE = {
    "reset": ("unknown broken", "proxy tunnel", "proxy connect"),
    "hang": ("unknown timeout", "unknown timeout", "unknown timeout"),
    "close": ("unknown broken", "proxy tunnel", "proxy connect"),
    "garbage": ("unknown protocol", "proxy tunnel", "proxy connect"),
    "auth": ("proxy auth", "proxy auth", "proxy auth"),
    "mute": ("unknown timeout", "unknown timeout", "unknown timeout"),
    "tunnel-close": ("unknown broken", "unknown broken", "unknown broken"),
    "tunnel-reset": ("unknown broken", "unknown broken", "unknown broken"),
    "cut": ("unknown broken", "unknown broken", "unknown broken"),
    "cut-reset": ("unknown broken", "unknown broken", "unknown broken"),
    "status-401": ("proxy auth", "proxy auth", "proxy connect"),
    "status-407": ("proxy auth", "proxy auth", "target connect"),
    "status-403": ("block blocked", "proxy tunnel", "proxy connect"),
    "acl": ("proxy refused", "proxy tunnel", "proxy connect"),
    "status-500": ("unknown gateway", "unknown tunnel", "proxy connect"),
    "status-502": ("unknown gateway", "unknown tunnel", "target connect"),
    "status-503": ("unknown gateway", "unknown tunnel", "target connect"),
    "status-504": ("unknown gateway", "unknown tunnel", "target connect"),
    "reply-8": ("unknown gateway", "unknown tunnel", "proxy connect"),
}


def failure(fetcher: Fetcher, lease: Lease, url: str, timeout: float) -> FetchError:
    try:
        page = fetcher.fetch(lease, Request(url, timeout=timeout, max_bytes=10**6))
    except FetchError as error:
        return error
    assert page.block, "it did not fail"
    return page.block.error()


@pytest.fixture(params=["trusting", "browser"], ids=["requests", "curl"])
def either(request: pytest.FixtureRequest) -> Fetcher:
    """Both fetchers of ours."""
    made: Fetcher = request.getfixturevalue(request.param)
    return made


@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize("scheme", ["http", "socks5h"])
@pytest.mark.parametrize("mode", TABLE)
def test_the_right_side_is_blamed(  # noqa: PLR0913, PLR0917 - a table
    either: Fetcher,
    trouble: dict[str, int],
    hostile: dict[str, int],
    lease_of: LeaseOf,
    mode: str,
    scheme: str,
    target: str,
) -> None:
    proxy = Proxy(scheme, "127.0.0.1", trouble[mode], "us3r", "S3cret")
    url = f"{target}://127.0.0.1:{hostile[target]}/long?token=S3cret"
    column = (2 if scheme.startswith("socks") else 0) or int(target == "https")

    slow = mode in {"hang", "mute"}

    error = failure(either, lease_of(proxy), url, 1 if slow else 20)

    kind = error.kind
    if mode.startswith("tunnel-") and kind == "tls":
        kind = "broken"  # libcurl tells no end from what is no TLS
    assert f"{error.blame} {kind}" == TABLE[mode][column], str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.args, str(again)) == (error.args, str(error))
    assert "S3cret" not in json.dumps(error.args) + str(error) + repr(error)
    assert "us3r" not in json.dumps(error.args) + str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
def test_a_proxy_that_refuses_the_dial_or_lets_it_wait_is_blamed(
    either: Fetcher,
    free_port: Callable[[], int],
    full_port: int,
    lease_of: LeaseOf,
    scheme: str,
    target: str,
) -> None:
    found = []
    for port in (free_port(), full_port):
        lease = lease_of(Proxy(scheme, "127.0.0.1", port, "u", "S3cret"))
        found.append(failure(either, lease, f"{target}://127.0.0.1:1/", 1))

    assert [(one.blame, one.kind) for one in found] == [
        (Blame.PROXY, "connect"),
        (Blame.PROXY, "timeout"),
    ]


@pytest.mark.parametrize("target", ["http", "https"])
def test_a_proxy_whose_name_leads_nowhere_is_blamed(
    trusting: Fetcher, lease_of: LeaseOf, target: str
) -> None:
    lease = lease_of(Proxy("http", "nowhere.invalid", 8080, "u", "S3cret"))

    error = failure(trusting, lease, f"{target}://127.0.0.1:1/", 20)

    assert (error.blame, error.kind) == (Blame.PROXY, "connect")


@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize("port", ["self-signed", "no-tls", "mute-tls"])
def test_a_proxy_without_good_tls_of_its_own_is_blamed(
    trusting: Fetcher,
    hostile: dict[str, int],
    lease_of: LeaseOf,
    port: str,
    target: str,
) -> None:
    lease = lease_of(Proxy("https", "127.0.0.1", hostile[port], "u", "S3cret"))

    error = failure(trusting, lease, f"{target}://127.0.0.1:1/", 1)

    assert error.blame is Blame.PROXY
    assert error.kind in {"tls", "timeout"}


@pytest.mark.parametrize("mode", TABLE)
def test_without_a_proxy_the_target_is_blamed(
    trusting: Fetcher, trouble: dict[str, int], lease_of: LeaseOf, mode: str
) -> None:
    # Each of them is a broken site as well; over TLS it is one that has none.
    lease = lease_of(Proxy("direct", "", 0))

    error = failure(trusting, lease, f"https://127.0.0.1:{trouble[mode]}/x", 1)

    assert error.blame is Blame.TARGET
    assert "proxy" not in str(error)
