"""Who is blamed when real proxies and real targets fail."""

import json
import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest

from lab import Lab
from limpet.errors import Blame, FetchError
from proxies import Proxy, parse_proxy
from sessions import Lease
from tasks.blame import classify
from tasks.fetching import Request
from tasks.http import Fetcher

LeaseOn = Callable[[Proxy], Lease]
SCHEMES = {"http": 0, "socks5h": 1}


def failure(fetcher: Fetcher, lease: Lease, url: str) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(lease, Request(url, timeout=5, max_bytes=1000))
    return caught.value


@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proxy_that_is_gone_is_blamed(
    fetcher: Fetcher,
    lease_on: LeaseOn,
    free_port: Callable[[], int],
    scheme: str,
    target: str,
) -> None:
    lease = lease_on(Proxy(scheme, "127.0.0.1", free_port(), "u", "S3cret"))

    error = failure(fetcher, lease, f"{target}://127.0.0.1:1/")

    assert (error.blame, error.kind) == (Blame.PROXY, "connect")


@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proxy_that_refuses_the_password_is_blamed(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, scheme: str, target: str
) -> None:
    right = parse_proxy(lab.proxies[SCHEMES[scheme]].line)
    lease = lease_on(replace(right, password="S3cret-but-wrong"))

    error = failure(fetcher, lease, lab.site.replace("http:", f"{target}:"))

    assert (error.blame, error.kind) == (Blame.PROXY, "auth")


@pytest.mark.parametrize("target", ["http", "https"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proxy_is_not_blamed_for_a_target_that_is_gone(
    fetcher: Fetcher,
    lab: Lab,
    lease_on: LeaseOn,
    free_port: Callable[[], int],
    scheme: str,
    target: str,
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[SCHEMES[scheme]].line))

    error = failure(fetcher, lease, f"{target}://127.0.0.1:{free_port()}/")

    # An HTTP proxy's 502 does not tell whose fault it is; a SOCKS reply does.
    assert error.blame is (Blame.UNKNOWN if scheme == "http" else Blame.TARGET)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_target_that_speaks_no_tls_is_not_the_proxy_s_fault(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, scheme: str
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[SCHEMES[scheme]].line))

    error = failure(fetcher, lease, lab.site.replace("http:", "https:"))

    assert error.blame is not Blame.PROXY


@pytest.mark.parametrize("code", [403, 404, 500, 503])
def test_what_the_site_answers_is_a_page_and_no_failure(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, code: int
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[0].line))

    page = fetcher.fetch(
        lease, Request(f"{lab.site}/status/{code}", timeout=5, max_bytes=1000)
    )

    assert page.status == code


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_failure_tells_no_secret_and_survives_the_trip(
    fetcher: Fetcher, lease_on: LeaseOn, free_port: Callable[[], int], scheme: str
) -> None:
    lease = lease_on(Proxy(scheme, "127.0.0.1", free_port(), "us3r", "S3cret"))

    error = failure(fetcher, lease, "http://h.test/?token=S3cret")

    again = pickle.loads(pickle.dumps(error))
    assert (again.blame, str(again)) == (error.blame, str(error))
    assert "S3cret" not in json.dumps(error.args) + str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_an_error_that_nobody_foresaw_is_named_and_not_quoted(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn
) -> None:
    lease = lease_on(Proxy("http", "127.0.0.1", lab.site_port, "u", "S3cret"))
    broken = replace(lease, proxy=replace(lease.proxy, scheme="S3cret"))

    error = failure(fetcher, broken, f"{lab.site}/whoami")

    assert "S3cret" not in str(error)
    assert error.__suppress_context__


def test_a_text_of_an_unexpected_error_goes_nowhere() -> None:
    error = classify(UnicodeError("S3cret"))

    assert (error.kind, error.detail) == ("unexpected", "UnicodeError")
