"""The fetcher over libcurl keeps what the other one promises, and shows a browser."""

import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lab import Lab
from limpet.errors import AddressRefused, Blame, ConfigurationError, FetchError
from limpet.settings import Settings
from proxies import Proxy, parse_proxy
from sessions import Lease
from tasks.fetching import Fetcher, Request, fetcher_of

curl = pytest.importorskip("tasks.curl", reason="needs the extra curl")

LeaseOf = Callable[[Proxy], Lease]
DIRECT = Proxy("direct", "", 0)


def failure(fetcher: Fetcher, lease: Lease, url: str, timeout: float) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetcher.fetch(lease, Request(url, timeout=timeout, max_bytes=10**6))
    error = caught.value
    assert "S3cret" not in json.dumps(error.args) + str(error)
    assert error.__suppress_context__ or error.__context__ is None
    return error


@pytest.mark.parametrize("number", [0, 1], ids=["http", "socks5h"])
def test_a_session_keeps_its_proxy_its_connection_and_its_cookies(
    browser: Fetcher, lab: Lab, lease_of: LeaseOf, number: int
) -> None:
    lease = lease_of(parse_proxy(lab.proxies[number].line))

    pages = [
        browser.fetch(lease, Request(f"{lab.site}/shop/x/{n}")) for n in range(1, 4)
    ]

    assert [page.reused for page in pages] == [False, True, True]
    assert b"<b id=seen>3</b>" in pages[-1].body
    assert lab.proxies[number].exit_address.encode() in pages[-1].body
    assert [one["name"] for one in browser.cookies(lease)] == ["seen"]


def test_a_next_lease_goes_on_and_another_binding_begins_anew(
    browser: Fetcher, lab: Lab, lease_of: LeaseOf
) -> None:
    first = lease_of(parse_proxy(lab.proxies[0].line))
    browser.fetch(first, Request(f"{lab.site}/whoami"))
    browser.keep(first, 0)
    second = replace(first, token="second")

    again = browser.fetch(second, Request(f"{lab.site}/whoami"))
    browser.keep(second, 0)
    moved = replace(first, token="third", generation=2)
    anew = browser.fetch(moved, Request(f"{lab.site}/whoami"))
    browser.drop(moved)

    assert (again.reused, anew.reused) == (True, False)


def test_it_says_that_it_is_a_browser(
    browser: Fetcher, lab: Lab, lease_of: LeaseOf
) -> None:
    lease = lease_of(parse_proxy(lab.proxies[0].line))

    plain = json.loads(browser.fetch(lease, Request(f"{lab.site}/echo")).body)
    own = replace(lease, state=replace(lease.state, user_agent="Session/1"))
    named = json.loads(browser.fetch(own, Request(f"{lab.site}/echo")).body)

    assert "Chrome/" in plain["headers"]["user-agent"]
    assert "sec-ch-ua" in plain["headers"]
    assert named["headers"]["user-agent"] == "Session/1"


def test_its_tls_handshake_is_a_browser_s(
    trusting: Fetcher, browser: Fetcher, lease_of: LeaseOf
) -> None:
    """A ClientHello of Chrome has GREASE values (RFC 8701) and offers h2."""
    hellos = [_hello(fetcher, lease_of(DIRECT)) for fetcher in (trusting, browser)]

    greased = [_ciphers(hello)[0] & 0x0F0F == 0x0A0A for hello in hellos]
    assert greased == [False, True]
    assert [b"\x02h2" in hello for hello in hellos] == [False, True]


def _hello(fetcher: Fetcher, lease: Lease) -> bytes:
    caught: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}/"

        def take() -> None:
            taken, _ = server.accept()
            with taken:
                caught.append(taken.recv(65_536))

        thread = threading.Thread(target=take)
        thread.start()
        with pytest.raises(FetchError):
            fetcher.fetch(lease, Request(url, timeout=5))
        thread.join(10)
    return caught[0]


def _ciphers(hello: bytes) -> list[int]:
    # Record (5), handshake (4), version (2), random (32), then the session's id.
    at = 43 + 1 + hello[43]
    size = int.from_bytes(hello[at : at + 2])
    return [int.from_bytes(hello[n : n + 2]) for n in range(at + 2, at + 2 + size, 2)]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_methods_bodies_and_headers_reach_the_site(
    browser: Fetcher, lab: Lab, lease_of: LeaseOf, method: str
) -> None:
    lease = lease_of(parse_proxy(lab.proxies[0].line))
    request = Request(
        f"{lab.site}/echo",
        method=method,
        params=(("q", "ü"),),
        headers={"X-Mine": "yes"},
        body=b"a\0b" if method in {"POST", "PUT", "PATCH"} else None,
    )

    page = browser.fetch(lease, request)

    assert page.status == 200
    if method == "HEAD":
        assert page.body == b""
        return
    seen = json.loads(page.body)
    assert (seen["method"], seen["query"]) == (method, "q=%C3%BC")
    assert seen["headers"]["x-mine"] == "yes"
    assert seen["body"] == ("a\0b" if request.body else "")
    assert "content-type" not in seen["headers"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_every_coding_is_read(
    browser: Fetcher, lab: Lab, lease_of: LeaseOf, coding: str
) -> None:
    lease = lease_of(parse_proxy(lab.proxies[0].line))

    page = browser.fetch(lease, Request(f"{lab.site}/encoded/{coding}"))

    assert page.body == b"<p>" + b"packed " * 1000


def test_redirects_leave_secrets_behind(
    browser: Fetcher, lab: Lab, lease_of: LeaseOf
) -> None:
    lease = lease_of(parse_proxy(lab.proxies[0].line))
    with Lab(proxies=0) as other:
        url = f"{lab.site}/redirect-as/307?to={other.site}/echo"
        headers = {"Authorization": "S3cret", "X-Api-Key": "S3cret"}

        page = browser.fetch(lease, Request(url, headers=headers))

    assert page.redirects == 1
    assert b"S3cret" not in page.body


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        *((one, "timeout") for one in ("hang", "hang-body", "drip-head", "drip-body")),
        *((one, "broken") for one in ("nothing", "half-head", "reset-body")),
        *((one, "protocol") for one in ("no-http", "long-line", "two-lengths")),
        ("redirect-apart", "protocol"),
        *((one, "encoding") for one in ("no-gzip", "no-br")),
        ("round", "redirects"),
    ],
)
def test_a_hostile_page_is_one_clear_error_in_time(
    browser: Fetcher, hostile: dict[str, int], lease_of: LeaseOf, page: str, kind: str
) -> None:
    url = f"https://127.0.0.1:{hostile['https']}/{page}?token=S3cret"
    start = time.monotonic()

    error = failure(browser, lease_of(DIRECT), url, 1 if kind == "timeout" else 20)

    assert (error.blame, error.kind) == (Blame.TARGET, kind)
    assert kind != "timeout" or time.monotonic() - start < 3


@pytest.mark.parametrize("page", ["bomb-gzip", "bomb-br", "bomb-deflate", "flood"])
def test_a_bomb_is_cut_at_its_cap(
    browser: Fetcher, hostile: dict[str, int], lease_of: LeaseOf, page: str
) -> None:
    url = f"https://127.0.0.1:{hostile['https']}/{page}"

    found = browser.fetch(lease_of(DIRECT), Request(url, timeout=60, max_bytes=10**6))

    assert (len(found.body), found.truncated) == (10**6, True)


@pytest.mark.parametrize("port", ["self-signed", "expired", "wrong-host"])
def test_a_bad_certificate_is_the_target_s_fault(
    browser: Fetcher, hostile: dict[str, int], lab: Lab, lease_of: LeaseOf, port: str
) -> None:
    lease = lease_of(parse_proxy(lab.proxies[0].line))

    error = failure(browser, lease, f"https://127.0.0.1:{hostile[port]}/", 20)

    assert (error.blame, error.kind) == (Blame.TARGET, "certificate")


def test_it_is_guarded_too(
    browser: Fetcher,
    hostile: dict[str, int],
    lease_of: LeaseOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **more: Any) -> Any:
        return real("10.0.0.1" if host.endswith(".example") else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    lease = lease_of(DIRECT)
    site = f"http://127.0.0.1:{hostile['http']}"

    for url in (f"{site}/inside", "http://10.0.0.1/", "http://rebind.example/"):
        with pytest.raises(AddressRefused):
            browser.fetch(lease, Request(url))


def test_the_environment_cannot_change_the_proxy(
    browser: Fetcher, lab: Lab, lease_of: LeaseOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, lab.proxies[2].line)
    monkeypatch.setenv("NO_PROXY", "*")
    url = f"{lab.site}/whoami"

    seen = [
        json.loads(browser.fetch(lease_of(proxy), Request(url)).body)["address"]
        for proxy in (DIRECT, parse_proxy(lab.proxies[0].line))
    ]

    assert seen == ["127.0.0.1", lab.proxies[0].exit_address]


def test_any_password_reaches_its_proxy(
    browser: Fetcher,
    lab: Lab,
    lease_of: LeaseOf,
    proxy_with: Callable[[str], int],
) -> None:
    for password in ("密码-ключ", "p@ss:w/rd#%1", "x" * 200):
        port = proxy_with(password)
        for scheme in ("http", "socks5h"):
            lease = lease_of(Proxy(scheme, "127.0.0.1", port, "üser", password))
            assert browser.fetch(lease, Request(f"{lab.site}/whoami")).status == 200


def test_a_browser_that_is_none_is_refused() -> None:
    config = Settings(_env_file=None, fetcher="curl", curl_impersonate="netscape")

    with pytest.raises(ConfigurationError, match="no browser 'netscape'"):
        fetcher_of(config)


def test_it_is_chosen_by_its_name() -> None:
    made = fetcher_of(Settings(_env_file=None, fetcher="curl"))

    assert isinstance(made, curl.CurlFetcher)


def test_a_host_that_libcurl_cannot_name_is_not_the_proxy_s_fault(
    browser: Fetcher, lab: Lab, lease_of: LeaseOf
) -> None:
    lease = lease_of(parse_proxy(lab.proxies[0].line))

    error = failure(browser, lease, "http://a!b.example/?S3cret", 5)

    assert (error.blame, error.kind) == (Blame.TARGET, "url")
