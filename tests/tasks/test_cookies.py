"""Cookies keep their meaning on the way to Redis and back."""

import random
import time
from collections.abc import Callable
from http.cookiejar import Cookie

import pytest
from cryptography.fernet import Fernet
from requests.cookies import RequestsCookieJar
from requests.cookies import create_cookie as untyped

from limpet.sealing import Sealer
from sessions.state import SessionState, encode
from tasks import cookies

create_cookie: Callable[..., Cookie] = untyped
# Tests may begin long after they are collected.
LATER = int(time.time()) + 86_400


def test_cookies_survive_the_round_trip() -> None:
    jar = RequestsCookieJar()
    jar.set_cookie(create_cookie("host", "1", domain="shop.example"))
    jar.set_cookie(create_cookie("domain", "2", domain=".shop.example", path="/a"))
    jar.set_cookie(create_cookie("secure", "3", domain="s.example", secure=True))
    jar.set_cookie(create_cookie("later", "4", domain="s.example", expires=LATER))
    jar.set_cookie(
        create_cookie("http", "ü=", domain="s.example", rest={"HttpOnly": None})
    )

    again = cookies.to_jar(cookies.to_json(jar))

    assert cookies.to_json(again) == cookies.to_json(jar)
    assert {(c.name, c.domain, c.path, c.secure, c.expires) for c in again} == {
        (c.name, c.domain, c.path, c.secure, c.expires) for c in jar
    }


def test_letters_that_no_header_has_survive_the_round_trip_beside_a_new_cookie() -> (
    None
):
    kept = {"name": "preis", "value": "9 €", "domain": "s.example", "path": "/"}
    jar = cookies.to_jar([kept])
    jar.set_cookie(create_cookie("b", "1", domain="s.example"))

    values = {one["name"]: one["value"] for one in cookies.to_json(jar)}

    assert values == {"preis": "9 €", "b": "1"}
    assert cookies.header(jar, "http://s.example/").isascii() is False


def test_the_shape_is_playwright_s() -> None:
    jar = RequestsCookieJar()
    jar.set_cookie(create_cookie("a", "1", domain=".shop.example", expires=LATER))

    [cookie] = cookies.to_json(jar)

    assert cookie == {
        "name": "a",
        "value": "1",
        "domain": ".shop.example",
        "path": "/",
        "expires": LATER,
        "httpOnly": True,
        "secure": False,
        "sameSite": "Lax",
        "_hostOnly": False,
    }


def test_expired_cookies_are_left_behind() -> None:
    old = {"name": "a", "value": "1", "domain": "x.example", "expires": 1}

    assert list(cookies.to_jar([old])) == []


def shown(there: str, line: str, url: str) -> str:
    """Return what *url* is shown of a cookie that was set *there*, in another jar."""
    jar = cookies.to_jar()
    cookies.take(jar, there, [line])
    return cookies.header(cookies.to_jar(cookies.to_json(jar)), url)


@pytest.mark.parametrize(
    ("there", "line", "here"),
    [
        ("http://shop.test/", "a=1", "http://user.shop.test/"),
        ("http://user.shop.test/", "a=1", "http://shop.test/"),
        ("http://evil.co.uk/", "a=1; Domain=co.uk", "http://bank.co.uk/"),
        ("http://evil.co.uk/", "a=1; Domain=.co.uk", "http://bank.co.uk/"),
        ("http://evil.github.io/", "a=1; Domain=github.io", "http://bank.github.io/"),
        ("http://evil.com/", "a=1; Domain=com", "http://bank.com/"),
        ("http://evil.com./", "a=1; Domain=com.", "http://bank.com./"),
        ("http://evil.test/", "a=1; Domain=bank.test", "http://bank.test/"),
        ("http://evil.kobe.jp/", "a=1; Domain=evil.kobe.jp", "http://b.evil.kobe.jp/"),
        ("http://1.2.3.4/", "a=1; Domain=3.4", "http://9.9.3.4/"),
        ("http://a.3.4/", "a=1; Domain=3.4", "http://9.9.3.4/"),
        ("http://[2001:db8::1]/", "a=1; Domain=1]", "http://[2001:db8::1]/"),
        ("http://shop.test/", "a=1; Secure", "https://shop.test/"),
        ("http://shop.test/", "__Secure-a=1", "http://shop.test/"),
        ("https://shop.test/", "__Host-a=1; Path=/", "https://shop.test/"),
        ("https://shop.test/", "__Host-a=1; Secure", "https://shop.test/"),
        ("https://shop.test/", "__hOst-a=1; Secure; Path=/x", "https://shop.test/x/"),
        (
            "https://shop.test/",
            "__Host-a=1; Secure; Path=/; Domain=shop.test",
            "https://user.shop.test/",
        ),
    ],
)
def test_a_cookie_does_not_go_where_it_does_not_belong(
    there: str, line: str, here: str
) -> None:
    assert not shown(there, line, here)


@pytest.mark.parametrize(
    ("there", "line", "here"),
    [
        ("http://shop.test/", "a=1", "http://shop.test/x"),
        ("http://shop.test:81/", "a=1", "http://shop.test:82/"),
        ("http://user.shop.test/", "a=1; Domain=shop.test", "http://shop.test/"),
        ("http://Shop.test/", "a=1; Domain=SHOP.test", "http://me.shop.test/"),
        ("http://a.evil.co.uk/", "a=1; Domain=evil.co.uk", "http://b.evil.co.uk/"),
        ("http://me.github.io/", "a=1; Domain=me.github.io", "http://me.github.io/"),
        # Whose own name is a suffix gets back what it has set, and it alone.
        ("http://github.io/", "a=1; Domain=github.io", "http://github.io/"),
        ("http://1.2.3.4/", "a=1; Domain=1.2.3.4", "http://1.2.3.4/"),
        ("http://[2001:db8::1]/", "a=1", "http://[2001:db8::1]:81/"),
        ("http://shop/", "a=1", "http://shop:81/"),
        ("http://shop/", "a=1; Domain=shop", "http://shop/"),
        ("https://shop.test/", "__Secure-a=1; Secure", "https://shop.test/"),
        ("https://shop.test/", "__Host-a=1; Secure; Path=/", "https://shop.test/x"),
    ],
)
def test_a_cookie_goes_where_it_belongs(there: str, line: str, here: str) -> None:
    assert shown(there, line, here).endswith("a=1")


@pytest.mark.parametrize(
    "attribute",
    [
        *("Max-Age=abc", 'Max-Age="3600"', "Max-Age", "Max-Age=", "Max-Age=1.5"),
        *("Domain=", "Domain", "Domain=.", "Path=app", 'Path="/"', "path", "Path="),
        *('Port="80"', "Port", "Version=x", "Version", "Expires=x", "Expires"),
        *("Comment=x", "Discard", "Path=/" + "x" * 1024, "Max-Age=" + "9" * 5000),
        *("Domain=other.test; Domain=shop.test", "Path=/y; Path=/"),
    ],
)
def test_a_cookie_is_not_lost_by_an_attribute_that_browsers_ignore(
    attribute: str,
) -> None:
    here = "http://shop.test/"

    assert shown(here, f"sid=1; {attribute}; HttpOnly", here) == "sid=1"


@pytest.mark.parametrize("secure", ["Secure", "Secure=", "secure=no"])
def test_a_cookie_is_secure_whatever_is_said_beside_it(secure: str) -> None:
    there = "https://shop.test/"

    assert shown(there, f"sid=1; {secure}", there) == "sid=1"
    assert not shown(there, f"sid=1; {secure}", "http://shop.test/")


def test_a_path_that_is_none_is_the_page_s_own() -> None:
    there, line = "http://shop.test/a/b", "sid=1; Path=x"

    assert shown(there, line, "http://shop.test/a/c") == "sid=1"
    assert not shown(there, line, "http://shop.test/b")


def test_a_cookie_of_a_browser_without_a_dot_is_for_its_host_alone() -> None:
    browser_s = {"name": "a", "value": "1", "domain": "shop.test", "path": "/"}
    jar = cookies.to_jar([browser_s])

    assert cookies.header(jar, "http://shop.test/") == "a=1"
    assert not cookies.header(jar, "http://user.shop.test/")


def test_a_cookie_that_was_kept_for_a_whole_suffix_is_for_nobody() -> None:
    jar = cookies.to_jar([{"name": "a", "value": "1", "domain": ".co.uk"}])

    assert not cookies.header(jar, "http://bank.co.uk/")


@pytest.mark.parametrize(
    ("url", "line", "left"),
    [
        ("https://evil.example/", "a=; Domain=bank.example; Max-Age=0", True),
        ("https://evil.bank.example/", "a=; Domain=bank.example; Max-Age=0", False),
        ("https://bank.example/", "a=; Domain=bank.example; Max-Age=0", False),
        ("https://evil.example/", "a=; Max-Age=0", True),
        ("https://evil.example/", "a=2; Domain=bank.example", True),
    ],
)
def test_a_cookie_ends_at_the_word_of_its_own_site_alone(
    url: str, line: str, *, left: bool
) -> None:
    jar = cookies.to_jar()
    cookies.take(jar, "https://bank.example/", ["a=1; Domain=bank.example"])

    cookies.take(jar, url, [line])

    assert cookies.header(jar, "https://bank.example/") == ("a=1" if left else "")


def test_a_jar_forgets_what_its_owner_wants_forgotten() -> None:
    jar = cookies.to_jar()
    cookies.take(jar, "https://bank.example/", ["a=1", "b=2"])

    jar.clear()

    assert cookies.to_json(jar) == []


@pytest.mark.parametrize("host", ["localhost", "shop", "[::1]", "127.0.0.1"])
@pytest.mark.parametrize("end", ["Max-Age=0", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_host_without_a_dot_can_end_its_cookies_too(host: str, end: str) -> None:
    url = f"http://{host}:8000/"
    jar = cookies.to_jar()
    cookies.take(jar, url, ["a=1", "b=2"])
    assert cookies.header(jar, url) == "a=1; b=2"

    cookies.take(jar, url, [f"a=; {end}"])

    assert cookies.header(jar, url) == "b=2"


@pytest.mark.parametrize(("size", "kept"), [(4096, True), (4097, False)])
def test_a_cookie_that_no_browser_takes_is_not_taken(size: int, *, kept: bool) -> None:
    line = "sid=" + "x" * (size - len("sid"))

    assert bool(shown("http://shop.test/", line, "http://shop.test/")) is kept


def test_a_site_has_so_many_cookies_and_those_used_longest_ago_make_room() -> None:
    jar = cookies.to_jar()
    cookies.take(jar, "http://other.test/", ["sid=2"])
    cookies.take(jar, "http://shop.test/", ["sid=1"])
    for page in range(10):
        url = f"http://shop.test/{page}/"
        assert cookies.header(jar, url) == "sid=1"
        lines = [f"c{page}-{n}=x; Path=/{page}/" for n in range(49)]
        cookies.take(jar, url, [*lines, f"d{page}=x; Domain=shop.test; Path=/d"])

    held = [one["name"] for one in cookies.to_json(jar)]
    assert len(held) == 181
    assert {"sid", "c9-0", "c9-48", "d9", "c7-0"} < set(held)
    assert not {"c0-0", "d0", "c5-48"} & set(held)
    assert cookies.header(jar, "http://other.test/") == "sid=2"


def test_the_cookies_of_a_session_always_fit_into_its_state() -> None:
    jar, dice = cookies.to_jar(), random.Random(1)
    for page in range(400):
        text = bytes(dice.choices(range(0xA1, 0x100), k=4000)).decode("latin-1")
        cookies.take(jar, f"http://s{page % 5}.test/", [f"c{page}={text}"])
    state = SessionState(cookies=cookies.to_json(jar))

    assert len(state.cookies) > 90
    assert encode(state, Sealer([Fernet.generate_key().decode()])) is not None
