"""What goes out, and what comes back."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lab import Lab
from limpet.errors import AddressRefused
from proxies import Proxy, parse_proxy
from sessions import Lease
from tasks.fetching import Request
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


def test_method_query_headers_and_body_reach_the_site(
    fetcher: Fetcher, lab: Lab, lease: Lease
) -> None:
    request = Request(
        f"{lab.site}/echo?a=1",
        method="POST",
        params=(("b", "ü &"), ("b", "2")),
        headers={"X-Mine": "yes", "user-agent": "Mine/1"},
        body="schön".encode(),
        content_type="text/plain; charset=utf-8",
    )

    seen = echo(fetcher, lease, request)

    assert seen["method"] == "POST"
    assert seen["query"] == "a=1&b=%C3%BC+%26&b=2"
    assert seen["body"] == "schön"
    assert seen["headers"]["x-mine"] == "yes"
    assert seen["headers"]["user-agent"] == "Mine/1"
    assert seen["headers"]["content-type"] == "text/plain; charset=utf-8"
    assert seen["headers"]["content-length"] == "6"


def test_a_content_type_may_be_a_header_too(
    fetcher: Fetcher, lab: Lab, lease: Lease
) -> None:
    request = Request(
        f"{lab.site}/echo",
        method="PUT",
        body=b"{}",
        headers={"Content-Type": "application/json"},
    )

    seen = echo(fetcher, lease, request)

    assert seen["headers"]["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_every_method_goes_out_as_it_is(
    fetcher: Fetcher, lab: Lab, lease: Lease, method: str
) -> None:
    seen = echo(fetcher, lease, Request(f"{lab.site}/echo", method=method, body=b"x"))

    assert (seen["method"], seen["body"]) == (method, "x")


def test_an_answer_to_head_has_no_body_and_its_connection_is_kept(
    fetcher: Fetcher, lab: Lab, lease: Lease
) -> None:
    page = fetcher.fetch(lease, Request(f"{lab.site}/echo", method="HEAD"))
    then = fetcher.fetch(lease, Request(f"{lab.site}/echo"))

    assert (page.status, page.body) == (200, b"")
    assert int(page.headers["content-length"]) > 0
    assert then.reused


def test_a_session_s_own_headers_and_user_agent_are_sent(
    fetcher: Fetcher, lab: Lab, lease: Lease
) -> None:
    state = replace(
        lease.state,
        headers={"Accept-Language": "de", "X-Own": "s", "Proxy-Authorization": "x"},
        user_agent="Session/1",
    )
    request = Request(f"{lab.site}/echo", headers={"x-own": "job"})

    seen = echo(fetcher, replace(lease, state=state), request)["headers"]

    assert seen["user-agent"] == "Session/1"
    assert seen["accept-language"] == "de"
    assert seen["x-own"] == "job", "the job's word counts more"
    assert "proxy-authorization" not in seen


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "other.example"},
        {"Proxy-Authorization": "S3cret"},
        {"Content-Length": "5"},
        {"transfer-encoding": "chunked"},
        {"Connection": "close"},
        {"X-A\r\nX-B": "S3cret"},
        {"X-A": "S3cret\r\nX-B: 1"},
        {"X-A": "S3cret\n"},
        {"X-A": "S3cret€"},
        {"X-A": "1", "x-a": "2"},
        {"": "S3cret"},
        {f"X-{n}": "1" for n in range(65)},
    ],
)
def test_headers_that_would_break_out_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must") as caught:
        Request("http://shop.example/", headers=headers)

    assert "S3cret" not in str(caught.value)


def test_a_method_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="method: must be one of DELETE, GET"):
        Request("http://shop.example/", method="CONNECT")


def test_what_is_no_url_is_refused(fetcher: Fetcher, lease: Lease) -> None:
    for url in ("http://", "x", "http://[::1", "http://a b/"):
        with pytest.raises(AddressRefused):
            fetcher.fetch(lease, Request(url))


def test_a_request_and_a_page_show_nothing_of_their_content(
    fetcher: Fetcher, lab: Lab, lease: Lease
) -> None:
    request = Request(
        f"{lab.site}/echo?t=S3cret",
        headers={"X-K": "S3cret"},
        params=(("k", "S3cret"),),
        body=b"S3cret",
        method="POST",
    )

    page = fetcher.fetch(lease, request)

    assert b"S3cret" in page.body
    assert "S3cret" not in repr(request) + repr(page)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_every_coding_that_is_asked_for_is_read(
    fetcher: Fetcher, lab: Lab, lease: Lease, coding: str
) -> None:
    asked = echo(fetcher, lease, Request(f"{lab.site}/echo"))["headers"]
    page = fetcher.fetch(lease, Request(f"{lab.site}/encoded/{coding}"))

    assert coding in asked["accept-encoding"]
    assert page.body == b"<p>" + b"packed " * 1000
    assert 0 < page.wire < 1000


def test_text_is_read_in_the_charset_that_the_page_names(
    fetcher: Fetcher, lab: Lab, lease: Lease
) -> None:
    page = fetcher.fetch(lease, Request(f"{lab.site}/charset"))

    assert "12 € café" in page.text()
