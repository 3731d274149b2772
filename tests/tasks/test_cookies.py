"""Cookies keep their meaning on the way to Redis and back."""

import time
from collections.abc import Callable
from http.cookiejar import Cookie

from requests.cookies import RequestsCookieJar
from requests.cookies import create_cookie as untyped

from tasks import cookies

create_cookie: Callable[..., Cookie] = untyped
LATER = int(time.time()) + 1000


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
