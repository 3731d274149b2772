"""Whose cookies a site sees, through real proxies, in files and in other workers."""

import json
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from redis import Redis

from lab import Lab
from proxies import Outcome, Proxy, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import Lease, SessionManager
from sessions.store import SessionStore
from sessions.transfer import export_sessions, import_sessions
from tasks.fetching import Fetcher, Request

ManagerOn = Callable[..., SessionManager]


@pytest.fixture
def proxy(proxy_with: Callable[..., int]) -> Proxy:
    """A proxy behind which sites of all names are the lab's."""
    return Proxy("http", "127.0.0.1", proxy_with("pw", "--here"), "üser", "pw")


@pytest.fixture(params=["fetcher", "browser"])
def fetch_with(request: pytest.FixtureRequest) -> Fetcher:
    made: Fetcher = request.getfixturevalue(request.param)
    return made


class Visitor:
    """Fetches with one fetcher under one lease."""

    def __init__(self, fetcher: Fetcher, lease: Lease, port: int) -> None:
        self._fetcher, self._lease, self._port = fetcher, lease, port

    def sent_to(self, host: str, path: str = "/echo") -> str:
        """Return the cookies that *host* has got."""
        url = f"http://{host}:{self._port}{path}"
        page = self._fetcher.fetch(self._lease, Request(url, timeout=20))
        return str(json.loads(page.body)["headers"].get("cookie", ""))

    def led_to(self, line: str, *, by: str, to: str) -> str:
        """Let *by* set a cookie and redirect; return what the next site has got."""
        there = f"http://{to}:{self._port}/echo"
        query = urlencode({"line": line, "to": there})
        return self.sent_to(by, f"/set-cookie?{query}")


@pytest.mark.parametrize(
    ("line", "by", "to", "got"),
    [
        ("sid=1", "shop.test", "user.shop.test", ""),
        ("sid=1", "shop.test", "shop.test", "sid=1"),
        ("sid=1; Domain=shop.test", "shop.test", "user.shop.test", "sid=1"),
        ("sid=1; Domain=co.uk", "evil.co.uk", "bank.co.uk", ""),
        ("sid=1; Domain=3.4", "1.2.3.4", "9.9.3.4", ""),
        ("__Host-sid=1; Domain=shop.test", "shop.test", "shop.test", ""),
    ],
)
def test_a_site_is_led_to_with_its_own_cookies_alone(  # noqa: PLR0913, PLR0917 - a table
    fetch_with: Fetcher,
    proxy: Proxy,
    lab: Lab,
    lease_of: Callable[[Proxy], Lease],
    line: str,
    by: str,
    to: str,
    got: str,
) -> None:
    visitor = Visitor(fetch_with, lease_of(proxy), lab.site_port)

    assert visitor.led_to(line, by=by, to=to) == got


def test_a_cookie_for_one_host_stays_so_in_redis_and_in_a_file(
    fetch_with: Fetcher, proxy: Proxy, lab: Lab, manager_on: ManagerOn, redis: Redis
) -> None:
    manager = manager_on(proxy)
    first = manager.acquire("s", hold=30)
    Visitor(fetch_with, first, lab.site_port).led_to(
        "sid=1", by="shop.test", to="shop.test"
    )
    manager.release(first, Outcome.OK, patch={"cookies": fetch_with.cookies(first)})
    fetch_with.drop(first)
    pool = ProxyPool(ProxyStore(redis, "copy"))
    pool.publish([ProxyRecord(proxy)])
    copy = SessionManager("copy", SessionStore(redis, "copy"), pool)

    import_sessions(copy, list(export_sessions(manager)))

    for one in (manager, copy):
        visitor = Visitor(fetch_with, one.acquire("s", hold=30), lab.site_port)
        assert visitor.sent_to("shop.test") == "sid=1"
        assert not visitor.sent_to("user.shop.test")
