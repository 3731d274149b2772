"""Fetching through real proxies from a real site."""

import json
import resource
from collections.abc import Callable
from dataclasses import replace

import pytest

from lab import Lab
from limpet.errors import Blame, FetchError
from proxies import Proxy, parse_proxy
from sessions import Lease
from tasks.answers import headers
from tasks.fetching import Request
from tasks.guard import Guard
from tasks.http import Fetcher
from tasks.page import Page

LeaseOn = Callable[[Proxy], Lease]


def get(fetcher: Fetcher, lease: Lease, url: str, **options: float) -> Page:
    wanted = {"timeout": 10.0, "max_bytes": 1_000_000, **options}
    return fetcher.fetch(
        lease,
        Request(url, timeout=wanted["timeout"], max_bytes=int(wanted["max_bytes"])),
    )


@pytest.mark.parametrize("number", [0, 1], ids=["http", "socks5h"])
def test_the_site_sees_the_address_of_the_proxy(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, number: int
) -> None:
    proxy = lab.proxies[number]

    page = get(fetcher, lease_on(parse_proxy(proxy.line)), f"{lab.site}/whoami")

    seen = json.loads(page.body)
    assert seen["address"] == proxy.exit_address
    assert seen["headers"]["user-agent"] == "limpet-test"
    assert not [name for name in seen["headers"] if "proxy" in name]


def test_the_environment_cannot_change_the_proxy(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.setenv(name, lab.proxies[2].line if name != "NO_PROXY" else "*")

    page = get(
        fetcher, lease_on(parse_proxy(lab.proxies[0].line)), f"{lab.site}/whoami"
    )

    assert json.loads(page.body)["address"] == lab.proxies[0].exit_address


@pytest.mark.parametrize("number", [0, 1], ids=["http", "socks5h"])
def test_a_session_keeps_its_connection(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, number: int
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[number].line))

    for n in range(5):
        get(fetcher, lease, f"{lab.site}/shop/x/{n}")

    client = fetcher._clients.of(lease)
    adapter = client.get_adapter(lab.site)
    [manager] = adapter.proxy_manager.values()  # type: ignore[attr-defined] # of HTTPAdapter
    opened = [manager.pools[key].num_connections for key in manager.pools._container]
    assert opened == [1]


def test_cookies_follow_the_state_and_not_the_worker(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[0].line))
    get(fetcher, lease, f"{lab.site}/shop/x/1")
    cookies = fetcher.cookies(lease)
    assert cookies
    saved = replace(lease, state=replace(lease.state, version=1, cookies=cookies))

    elsewhere = get(
        Fetcher(user_agent="x", guard=Guard.allowing("127.0.0.0/8")),
        saved,
        f"{lab.site}/shop/x/2",
    )
    forgotten = get(fetcher, saved, f"{lab.site}/shop/x/3")

    assert b"<b id=seen>2</b>" in elsewhere.body
    assert b"<b id=seen>2</b>" in forgotten.body


def test_a_page_that_sets_nothing_changes_no_state(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[0].line))

    get(fetcher, lease, f"{lab.site}/whoami")

    assert fetcher.cookies(lease) is lease.state.cookies


def test_redirects_are_followed_and_counted(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[0].line))

    page = get(fetcher, lease, f"{lab.site}/redirect/3")

    assert (page.status, page.redirects, page.url) == (200, 3, f"{lab.site}/whoami")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/redirect/11", "redirects"),
        ("/redirect-to?url=file:///etc/passwd", "redirect_url"),
        ("/redirect-to?url=http://me:pw@127.0.0.1/", "redirect_url"),
    ],
)
def test_redirects_that_lead_nowhere_are_the_target_s_fault(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, path: str, kind: str
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[0].line))

    with pytest.raises(FetchError) as caught:
        get(fetcher, lease, lab.site + path)

    assert (caught.value.blame, caught.value.kind) == (Blame.TARGET, kind)


@pytest.mark.parametrize(
    "name",
    ["bracket", "no-label", "long-label", "escaped-slash", "port", "long", "grows"],
)
def test_a_redirect_to_no_possible_address_is_the_target_s_fault(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, name: str
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[0].line))

    with pytest.raises(FetchError) as caught:
        get(fetcher, lease, f"{lab.rude}/redirect-{name}")

    assert (caught.value.blame, caught.value.kind) == (Blame.TARGET, "redirect_url")


@pytest.mark.parametrize(
    ("name", "path"), [("utf8", "/na%C3%AFf"), ("latin1", "/na%EFf")]
)
def test_a_redirect_with_raw_letters_leads_where_browsers_go(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, name: str, path: str
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[0].line))

    page = get(fetcher, lease, f"{lab.rude}/redirect-{name}")

    assert page.body.decode() == f"you asked for {path}"


def test_a_result_holds_no_header_of_any_length(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[0].line))

    page = get(fetcher, lease, f"{lab.rude}/long-headers")

    assert len(page.headers["link"]) > 10_000
    assert headers(page) == {"content-length": "0"}


@pytest.mark.parametrize("number", [0, 1], ids=["http", "socks5h"])
def test_early_hints_are_not_the_page(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn, number: int
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[number].line))

    page = get(fetcher, lease, f"{lab.rude}/early")

    assert (page.status, page.body) == (200, b"the page")


def test_a_protocol_that_nobody_asked_for_is_no_page(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[1].line))

    with pytest.raises(FetchError) as caught:
        get(fetcher, lease, f"{lab.rude}/switched")

    assert (caught.value.blame, caught.value.kind) == (Blame.TARGET, "protocol")


def test_a_cookie_of_any_letters_is_sent_as_browsers_send_it(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn
) -> None:
    # As a script in a browser sets it.
    cookie = {"name": "preis", "value": "9 €", "domain": "127.0.0.1", "path": "/"}
    lease = lease_on(parse_proxy(lab.proxies[0].line))
    lease = replace(lease, state=replace(lease.state, cookies=[cookie]))

    page = get(fetcher, lease, f"{lab.site}/whoami")

    sent = json.loads(page.body)["headers"]["cookie"]
    assert sent.encode("latin-1").decode() == "preis=9 €"


def test_the_body_of_a_redirect_is_left_behind(
    fetcher: Fetcher, lab: Lab, lease_on: LeaseOn
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[1].line))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    page = get(fetcher, lease, f"{lab.rude}/flood-redirect", max_bytes=100)

    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (page.status, page.redirects) == (200, 1)
    assert grown < 50_000, "kB, of the 300,000 that were offered"


@pytest.mark.parametrize(
    ("size", "kept", "truncated"), [(100, 100, False), (101, 100, True)]
)
def test_a_body_is_cut_at_its_cap(
    fetcher: Fetcher,
    lab: Lab,
    lease_on: LeaseOn,
    size: int,
    kept: int,
    truncated: bool,  # noqa: FBT001 - a table
) -> None:
    lease = lease_on(parse_proxy(lab.proxies[0].line))

    page = get(fetcher, lease, f"{lab.site}/bytes/{size}", max_bytes=100)

    assert (len(page.body), page.truncated) == (kept, truncated)


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
@pytest.mark.parametrize("password", ["密码-ключ", "x" * 200, ""])
def test_any_password_reaches_its_proxy(
    fetcher: Fetcher,
    lab: Lab,
    lease_on: LeaseOn,
    proxy_with: Callable[[str], int],
    scheme: str,
    password: str,
) -> None:
    proxy = Proxy(scheme, "127.0.0.1", proxy_with(password), "üser", password)

    page = get(fetcher, lease_on(proxy), f"{lab.site}/whoami")

    assert page.status == 200
