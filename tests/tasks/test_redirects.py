"""Redirects: what they make of a request, and what they may not take along."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lab import Lab
from limpet.errors import AddressRefused, FetchError
from proxies import Proxy, parse_proxy
from sessions import Lease
from tasks.fetching import Fetcher as PageFetcher
from tasks.fetching import Request
from tasks.guard import Guard
from tasks.http import Fetcher

LeaseOf = Callable[[Proxy], Lease]


@pytest.fixture
def lease(lab: Lab, lease_of: LeaseOf) -> Lease:
    return lease_of(parse_proxy(lab.proxies[0].line))


def echo(fetcher: Fetcher, lease: Lease, request: Request) -> dict[str, Any]:
    page = fetcher.fetch(lease, request)
    assert page.status == 200
    seen: dict[str, Any] = json.loads(page.body)
    return seen


@pytest.mark.parametrize(
    ("code", "method", "then", "body"),
    [
        (301, "POST", "GET", ""),
        (302, "POST", "GET", ""),
        (303, "POST", "GET", ""),
        (303, "PUT", "GET", ""),
        (301, "PUT", "PUT", "form"),
        (307, "POST", "POST", "form"),
        (308, "POST", "POST", "form"),
        (308, "PUT", "PUT", "form"),
    ],
)
def test_a_redirect_changes_the_method_as_browsers_do(  # noqa: PLR0913, PLR0917 - a table
    fetcher: Fetcher,
    lab: Lab,
    lease: Lease,
    code: int,
    method: str,
    then: str,
    body: str,
) -> None:
    url = f"{lab.site}/redirect-as/{code}?to=/echo"
    request = Request(url, method=method, body=b"form", content_type="text/x-form")

    seen = echo(fetcher, lease, request)

    assert (seen["method"], seen["body"]) == (then, body)
    assert ("content-type" in seen["headers"]) == bool(body)


SECRETS = {
    "Authorization": "Bearer S3cret",
    "Cookie": "sid=S3cret",
    "X-Api-Key": "S3cret",
    "Referer": "http://x.example/S3cret",
    "Accept-Language": "de",
    "User-Agent": "Mine/1",
}


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_within_the_origin_takes_all_headers_along(
    fetcher: Fetcher, lab: Lab, lease: Lease, code: int
) -> None:
    url = f"{lab.site}/redirect-as/{code}?to=/echo"

    seen = echo(fetcher, lease, Request(url, headers=SECRETS))["headers"]

    assert {k: seen.get(k.lower()) for k in SECRETS} == SECRETS


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_takes_no_secret_along(
    fetcher: Fetcher, lab: Lab, lease: Lease, code: int
) -> None:
    with Lab(proxies=0) as other:
        url = f"{lab.site}/redirect-as/{code}?to={other.site}/echo"
        state = replace(lease.state, headers={"X-Session": "S3cret"})

        seen = echo(
            fetcher, replace(lease, state=state), Request(url, headers=SECRETS)
        )["headers"]

    assert "S3cret" not in json.dumps(seen)
    assert (seen["accept-language"], seen["user-agent"]) == ("de", "Mine/1")


def test_cookies_go_to_their_own_host_alone(lab: Lab, lease: Lease) -> None:
    guard = Guard.allowing("127.0.0.0/8,localhost")
    fetcher = Fetcher(user_agent="x", guard=guard)
    fetcher.fetch(lease, Request(f"{lab.site}/big-cookies"))
    elsewhere = lab.site.replace("127.0.0.1", "localhost")

    here = echo(fetcher, lease, Request(f"{lab.site}/echo"))
    there = echo(
        fetcher, lease, Request(f"{lab.site}/redirect-to?url={elsewhere}/echo")
    )

    assert "crumb0" in here["headers"]["cookie"]
    assert "cookie" not in there["headers"]


def test_a_redirect_can_be_the_page(fetcher: Fetcher, lab: Lab, lease: Lease) -> None:
    page = fetcher.fetch(lease, Request(f"{lab.site}/redirect/3", follow=False))

    assert (page.status, page.redirects) == (302, 0)
    assert page.headers["location"] == "/redirect/2"
    assert page.url == f"{lab.site}/redirect/3"


def test_the_number_of_redirects_has_the_bound_that_was_asked_for(
    fetcher: Fetcher, lab: Lab, lease: Lease
) -> None:
    three = fetcher.fetch(lease, Request(f"{lab.site}/redirect/3", max_redirects=3))

    with pytest.raises(FetchError, match="more than 2 of them"):
        fetcher.fetch(lease, Request(f"{lab.site}/redirect/3", max_redirects=2))
    assert three.redirects == 3


@pytest.fixture(params=["fetcher", "browser"])
def either(request: pytest.FixtureRequest) -> PageFetcher:
    """Each of the fetchers."""
    made: PageFetcher = request.getfixturevalue(request.param)
    return made


@pytest.mark.parametrize(
    ("name", "path"), [("twice", "/there"), ("backslash", "/a/b?c%5Cd")]
)
def test_a_redirect_leads_where_browsers_go(
    either: PageFetcher, lab: Lab, lease: Lease, name: str, path: str
) -> None:
    page = either.fetch(lease, Request(f"{lab.rude}/redirect-{name}"))

    assert page.body.decode() == f"you asked for {path}"


def test_a_redirect_with_backslashes_leads_not_inside(
    either: PageFetcher, lab: Lab, lease: Lease
) -> None:
    with pytest.raises(AddressRefused, match=r"169\.254\.169\.254 is not public"):
        either.fetch(lease, Request(f"{lab.rude}/redirect-inside"))
