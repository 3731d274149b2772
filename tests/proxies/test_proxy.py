"""Lines as providers and people write them."""

import pytest

from limpet.errors import InvalidProxy
from proxies import Proxy, parse_proxy
from proxies.proxy import proxy_of

HARD = "p@ss:w/rd#%1"


@pytest.mark.parametrize(
    ("line", "proxy"),
    [
        ("10.0.0.1:8080", Proxy("http", "10.0.0.1", 8080)),
        ("proxy.example:8080", Proxy("http", "proxy.example", 8080)),
        ("10.0.0.1:8080:me:pw", Proxy("http", "10.0.0.1", 8080, "me", "pw")),
        ("10.0.0.1:8080:me:p:w@", Proxy("http", "10.0.0.1", 8080, "me", "p:w@")),
        ("me:pw@10.0.0.1:8080", Proxy("http", "10.0.0.1", 8080, "me", "pw")),
        ("http://10.0.0.1", Proxy("http", "10.0.0.1", 80)),
        ("https://me:pw@p.example:443", Proxy("https", "p.example", 443, "me", "pw")),
        ("SOCKS5://p.example:1080", Proxy("socks5", "p.example", 1080)),
        ("socks5h://p.example", Proxy("socks5h", "p.example", 1080)),
        ("http://[2001:db8::1]:8080", Proxy("http", "2001:db8::1", 8080)),
        ("[2001:db8::1]:8080:me:pw", Proxy("http", "2001:db8::1", 8080, "me", "pw")),
        ("http://me@p.example:1", Proxy("http", "p.example", 1, "me")),
        ("  http://P.EXAMPLE:1/ \n", Proxy("http", "p.example", 1)),
        ("me:pw@[2001:db8::1]:8080", Proxy("http", "2001:db8::1", 8080, "me", "pw")),
        ("me:p]w@10.0.0.1:8080", Proxy("http", "10.0.0.1", 8080, "me", "p]w")),
        ("10.0.0.1:80:me:p://w", Proxy("http", "10.0.0.1", 80, "me", "p://w")),
        ("me:p://w@10.0.0.1:80", Proxy("http", "10.0.0.1", 80, "me", "p://w")),
        ("10.0.0.1:80:me:p@x:99", Proxy("http", "10.0.0.1", 80, "me", "p@x:99")),
        ("[::1]:80:me:p@x:99", Proxy("http", "::1", 80, "me", "p@x:99")),
    ],
)
def test_a_line_is_read(line: str, proxy: Proxy) -> None:
    found = parse_proxy(line)

    assert (found, found.password) == (proxy, proxy.password)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ftp://10.0.0.1:21", "scheme"),
        ("10.0.0.1", "port is missing"),
        ("10.0.0.1:0", "port"),
        ("10.0.0.1:99999", "port"),
        ("10.0.0.1:http", "port"),
        ("10.0.0.1:80:me", "password is missing"),
        ("http://:8080", "host"),
        ("http://-bad-:8080", "host"),
        ("http://1.2.3:8080", "host"),
        ("http://10.0.0.1:80/path", "nothing may follow"),
        ("http://me:pw@", "host|port"),
        ("http://[::1:80", "port|host"),
        ("such nonsense", "port is missing"),
        ("p.example:80:me:p@x:99", "two ways"),
        ("me@p.example:80:me:pw", "host"),
        (f"http://{'a.' * 130}example:80", "host"),
        ("http://me:\ud800@p.example:80", "not text"),
    ],
)
def test_a_bad_line_is_refused_with_the_reason(line: str, reason: str) -> None:
    with pytest.raises(InvalidProxy, match=reason):
        parse_proxy(line)


@pytest.mark.parametrize("line", ["http://me:S3cret@h:99999", "h:1x:me:S3cret"])
def test_a_refusal_does_not_repeat_the_credentials(line: str) -> None:
    with pytest.raises(InvalidProxy) as caught:
        parse_proxy(line)

    assert "S3cret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
def test_any_password_survives_the_way_through_a_url(scheme: str) -> None:
    proxy = Proxy(scheme, "p.example", 8080, "me+you", HARD)

    assert parse_proxy(proxy.url).password == HARD
    assert parse_proxy(proxy.url) == proxy


@pytest.mark.parametrize("host", ["p.example", "2001:db8::1", "[2001:db8::1]"])
def test_a_proxy_is_made_of_its_parts(host: str) -> None:
    made = proxy_of(scheme="", host=host, port="80", username="me", password=HARD)

    assert made == Proxy("http", host.strip("[]"), 80, "me")
    assert made.password == HARD


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"scheme": "ftp"}, "scheme"),
        ({"port": ""}, "port is missing"),
        ({"port": "x"}, "port"),
        ({"port": "80:90"}, "port"),
        ({"host": ""}, "host"),
        ({"host": "me:pw@p.example"}, "host|port"),
        ({"host": "p.example/x"}, "nothing may follow"),
    ],
)
def test_a_wrong_part_is_named(part: dict[str, str], reason: str) -> None:
    with pytest.raises(InvalidProxy, match=reason):
        proxy_of(**{"scheme": "http", "host": "p.example", "port": "80", **part})


def test_an_unescaped_password_is_understood_too() -> None:
    assert parse_proxy("http://me:p@ss:w/rd#1@h.example:80").password == "p@ss:w/rd#1"
