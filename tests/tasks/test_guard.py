"""Where jobs may not go: the forms in which inside addresses are written."""

import json
import pickle
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lab import Lab
from limpet.errors import AddressRefused
from limpet.settings import Settings
from proxies import Proxy, parse_proxy
from sessions import Lease
from tasks.fetching import Request
from tasks.guard import Guard
from tasks.http import Fetcher

#: Each leads inside, and each has opened some filter.
REFUSED = [
    "http://127.0.0.1/",
    "http://127.0.0.1:8080/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://127.0.0.1./",
    "http://①②⑦.⓪.⓪.①/",
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
    "http://127。0。0。1/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://198.18.0.1/",
    "http://192.0.2.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001::1]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://a.b.localhost/",
    "http://metadata/",
    "http://metadata.google.internal/",
    "http://printer.local/",
]
OTHERS = [
    "http://intranet/",
    "http://nas.lan/",
    "http://router.home.arpa/",
    "http://localtest.me/",
    "http://me:S3cret@example.com/",
    "http://example.com@127.0.0.1/",
    "http://[::1",
    "http:///x",
    "//127.0.0.1/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "ftp://example.com/",
    "javascript:alert(1)",
    "http://example.com:0/",
    "",
]
ALLOWED = [
    "http://example.com/",
    "https://example.com:8443/x?y=z",
    "http://EXAMPLE.com./",
    "http://bücher.example/",
    "http://8.8.8.8/",
    "http://100.63.255.255/",
    "http://100.128.0.1/",
    "http://172.15.0.1/",
    "http://172.32.0.1/",
    "http://169.253.1.1/",
    "http://[2606:4700:4700::1111]/",
    "http://[2001:4860:4860::8888]/",
    "http://[::ffff:8.8.8.8]/",
    "http://localhost.example.com/",
    "http://10.0.0.1.example.com/",
    "http://internal.example.com/",
]


@pytest.mark.parametrize("url", REFUSED + OTHERS)
def test_what_leads_inside_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused) as caught:
        Guard().check(url)

    error = caught.value
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert "S3cret" not in json.dumps(error.args) + str(error)


def test_the_table_has_its_52_forms() -> None:
    assert len(set(REFUSED)) == 52


@pytest.mark.parametrize("url", ALLOWED)
def test_what_is_public_is_not(url: str) -> None:
    Guard().check(url)


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("127.0.0.0/8", "http://127.0.0.1/"),
        ("127.0.0.0/8", "http://0x7f.1/"),
        ("127.0.0.1", "http://127.0.0.1:8080/"),
        ("10.0.0.0/8, 192.168.0.0/16", "http://192.168.3.4/"),
        ("::1", "http://[::1]/"),
        ("fd00::/8", "http://[fd00:ec2::254]/"),
        ("127.0.0.0/8", "http://[::ffff:127.0.0.1]/"),
        ("shop", "http://shop:8000/"),
        ("Shop", "http://SHOP/"),
        ("*.lan", "http://nas.lan/"),
        ("*.lan", "http://a.b.lan/"),
        ("nas.lan", "http://nas.lan./"),
    ],
)
def test_what_is_allowed_by_name_or_network_may_be_visited(
    allowed: str, url: str
) -> None:
    Guard.allowing(allowed).check(url)


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("127.0.0.0/8", "http://10.0.0.1/"),
        ("127.0.0.2", "http://127.0.0.1/"),
        ("shop", "http://other/"),
        ("*.lan", "http://lan/"),
        ("nas.lan", "http://evil.nas.lan/"),
        ("127.0.0.0/8", "http://localhost/"),
    ],
)
def test_nothing_else_is_allowed_with_it(allowed: str, url: str) -> None:
    with pytest.raises(AddressRefused):
        Guard.allowing(allowed).check(url)


@pytest.mark.parametrize("hosts", ["300.1.1.1", "10.0.0.0/33", "a b", "http://x", "*"])
def test_a_list_of_hosts_that_is_none_is_refused(hosts: str) -> None:
    with pytest.raises(ValueError, match="entry 2 is neither"):
        Settings(_env_file=None, allow_private_hosts=f"shop,{hosts}")


Looked = list[object]


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> Looked:
    """Have a resolver that says of *.example that it is this machine."""
    real = socket.getaddrinfo
    asked: Looked = []

    def resolve(host: str, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        inside = host.endswith(".example")
        return real("127.0.0.1" if inside else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


@pytest.fixture
def direct(lease_of: Callable[[Proxy], Lease]) -> Lease:
    return lease_of(Proxy("direct", "", 0))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_leads_inside_is_not_connected_to(
    lab: Lab, direct: Lease, looked_up: Looked, scheme: str
) -> None:
    before = len(lab.visits())
    url = f"{scheme}://rebind.example:{lab.site_port}/shop/g/1"

    with pytest.raises(AddressRefused, match="leads to no public address"):
        Fetcher(user_agent="x").fetch(direct, Request(url))

    assert len(lab.visits()) == before


def test_nor_is_it_through_a_proxy_that_has_us_look_it_up(
    lab: Lab, lease_of: Callable[[Proxy], Lease], looked_up: Looked
) -> None:
    proxy = replace(parse_proxy(lab.proxies[1].line), scheme="socks5")
    url = f"http://rebind.example:{lab.site_port}/shop/g/1"

    with pytest.raises(AddressRefused, match="leads to no public address"):
        Fetcher(user_agent="x").fetch(lease_of(proxy), Request(url))


def test_what_was_judged_is_what_is_connected_to(
    lab: Lab, direct: Lease, looked_up: Looked
) -> None:
    guard = Guard.allowing("127.0.0.0/8")
    url = f"http://rebind.example:{lab.site_port}/whoami"

    page = Fetcher(user_agent="x", guard=guard).fetch(direct, Request(url))

    assert page.status == 200
    assert looked_up == ["rebind.example"], "a second look-up could find another"


def test_of_what_a_look_up_finds_just_the_public_is_connected_to() -> None:
    def entry(address: str) -> tuple[int, int, int, str, tuple[str, int]]:
        return (2, 1, 6, "", (address, 80))

    found = [entry("10.0.0.1"), entry("8.8.8.8"), entry("169.254.169.254")]

    assert Guard().choose("x.example", found) == [found[1]]
    with pytest.raises(AddressRefused, match=r"'x\.example' leads to no public"):
        Guard().choose("x.example", [found[0], found[2]])
    assert Guard.allowing("10.0.0.0/8").choose("x.example", found) == found[:2]
    assert Guard.allowing("x.example").choose("x.example", found) == found


def test_the_fetcher_refuses_before_it_dials(
    lab: Lab, lease_of: Callable[[Proxy], Lease]
) -> None:
    lease = lease_of(parse_proxy(lab.proxies[0].line))
    before = len(lab.visits())

    with pytest.raises(AddressRefused, match=r"127\.0\.0\.1 is not public"):
        Fetcher(user_agent="x").fetch(lease, Request(f"{lab.site}/shop/g/1"))

    assert len(lab.visits()) == before
