"""Cookies between a requests jar and JSON in Playwright's shape."""

import re
import time
from collections import Counter
from collections.abc import Iterable
from http.client import HTTPMessage
from http.cookiejar import Cookie
from typing import Any, Final

from requests import Request
from requests.cookies import (
    MockRequest,
    MockResponse,
    RequestsCookieJar,
    get_cookie_header,
)

from tasks.cookie_policy import (
    Policy,
    host_of,
    names,
    reaches,
    site_of,
    size_of,
    used_at,
)

#: What is read of a ``Set-Cookie`` beside name and value, and how much of each (RFC
#: 6265bis, section 5.6).
_ATTRIBUTES: Final = frozenset(
    {"domain", "expires", "httponly", "max-age", "path", "samesite", "secure"}
)
_ATTRIBUTE_MAX: Final = 1024
#: More of them than a clock has are none; such a cookie lasts as long as its session.
_SECONDS: Final = re.compile("-[0-9]+|[0-9]{1,15}")
#: Cookies of one site and of all, as in Chromium; and bytes of all, so that a session's
#: state, of at most 1 MB, has room for them when they are packed and sealed.
_OF_A_SITE: Final = 180
_MOST: Final = 3000
_BYTES: Final = 400_000
#: So many fit, however large they are: 4,096 bytes, and two attributes.
_FEW: Final = 60


class Jar(RequestsCookieJar):
    """A jar whose cookies end at the word of those alone whom they are for.

    The standard library does what a cookie that is over asks for, to forget the one of
    its name, domain and path, before it asks the policy whose domain that is. And it
    gives a cookie up for an attribute that makes no sense, where browsers leave that
    out.
    """

    _host: str | None = None

    def make_cookies(self, response: Any, request: Any) -> Any:
        self._host = host_of(request)
        lines = response.info().get_all("Set-Cookie", [])
        try:
            return super().make_cookies(_answer(map(_cleaned, lines)), request)
        finally:
            self._host = None

    def extract_cookies(self, response: Any, request: Any) -> None:
        super().extract_cookies(response, request)
        self._make_room()

    def clear(
        self,
        domain: str | None = None,
        path: str | None = None,
        name: str | None = None,
    ) -> None:
        host = self._host
        if host is None or (domain and (reaches(domain, host) or names(domain, host))):
            super().clear(domain, path, name)

    def _make_room(self) -> None:
        """Forget what was used longest ago, where there is too much of it."""
        cookies = list(iter(self))
        if len(cookies) <= _FEW:
            return
        sites, left = Counter[str](), _BYTES
        for number, cookie in enumerate(sorted(cookies, key=used_at)[::-1]):
            site = site_of(cookie.domain.strip("."))
            sites[site] += 1
            left -= size_of(cookie) + len(cookie.domain) + len(cookie.path)
            if sites[site] > _OF_A_SITE or number >= _MOST or left < 0:
                self.clear(cookie.domain, cookie.path, cookie.name)


def to_json(jar: RequestsCookieJar) -> list[dict[str, Any]]:
    """Return the jar's cookies; ``expires`` is in seconds since 1970, -1 for none.

    ``_hostOnly`` keeps what Playwright's shape cannot say: that no domain was given.
    """
    return [_cookie_to_json(cookie) for cookie in jar]


def _cookie_to_json(cookie: Cookie) -> dict[str, Any]:
    rest = {k.lower(): v for k, v in getattr(cookie, "_rest", {}).items()}
    same_site = str(rest.get("samesite") or "Lax").capitalize()
    return {
        "name": _text(cookie.name),
        "value": _text(cookie.value or ""),
        "domain": cookie.domain,
        "path": cookie.path,
        "expires": -1 if cookie.expires is None else cookie.expires,
        "httpOnly": "httponly" in rest,
        "secure": cookie.secure,
        "sameSite": same_site if same_site in {"Lax", "Strict", "None"} else "Lax",
        "_hostOnly": not cookie.domain_specified,
    }


def to_jar(cookies: Iterable[dict[str, Any]] = ()) -> Jar:
    """Return a jar with the *cookies* that have not expired, with our `Policy`."""
    jar = Jar(Policy())
    now = time.time()
    for item in cookies:
        expires = item.get("expires", -1)
        if expires == -1 or expires > now:
            jar.set_cookie(_cookie(item, None if expires == -1 else int(expires)))
    return jar


def _cookie(item: dict[str, Any], expires: int | None) -> Cookie:
    domain = item["domain"]
    host_only = bool(item.get("_hostOnly", not domain.startswith(".")))
    rest = {"SameSite": item.get("sameSite", "Lax")}
    if item.get("httpOnly"):
        rest["HttpOnly"] = ""
    return Cookie(
        version=0,
        name=_sent(item["name"]),
        value=_sent(item["value"]),
        port=None,
        port_specified=False,
        domain=domain,
        domain_specified=not host_only,
        domain_initial_dot=domain.startswith("."),
        path=item.get("path", "/"),
        path_specified=True,
        secure=bool(item.get("secure")),
        expires=expires,
        discard=expires is None,
        comment=None,
        comment_url=None,
        rest=rest,
    )


def _sent(text: str) -> str:
    """Return *text* as it goes into a header: letters that Latin-1 lacks in UTF-8.

    A script in a browser can put any letter into a cookie, and that is what browsers
    send of it; http.client takes each letter for a byte.
    """
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("latin-1")
    return text


def _text(sent: str) -> str:
    """Undo `_sent`, so that a browser has its own text again."""
    try:
        text = sent.encode("latin-1").decode()
    except UnicodeError:
        return sent
    return text if _sent(text) != text else sent


def header(jar: RequestsCookieJar, url: str) -> str:
    """Return the ``Cookie`` header that goes to *url*; empty for none."""
    request = Request("GET", url).prepare()
    return get_cookie_header(jar, request) or ""  # type: ignore[no-untyped-call] # of requests


def take(jar: RequestsCookieJar, url: str, lines: Iterable[str]) -> None:
    """Put into *jar* what *url* answered in its ``Set-Cookie`` headers."""
    request = Request("GET", url).prepare()
    jar.extract_cookies(_answer(lines), MockRequest(request))  # type: ignore[arg-type] # as requests does


def _answer(lines: Iterable[str]) -> Any:
    message = HTTPMessage()
    for line in lines:
        message.add_header("Set-Cookie", line)
    return MockResponse(message)


def _cleaned(line: str) -> str:
    """Return a ``Set-Cookie`` without what browsers ignore in it."""
    pair, *attributes = line.split(";")
    kept = {}
    for one in attributes:
        name, value = (part.strip() for part in one.partition("=")[::2])
        name = name.lower()
        bad = name == "max-age" and not _SECONDS.fullmatch(value)
        if name in _ATTRIBUTES and len(value) <= _ATTRIBUTE_MAX and not bad:
            kept[name] = value  # the last one counts
    if not kept.get("domain", "").removeprefix("."):
        kept.pop("domain", None)
    if not kept.get("path", "").startswith("/"):
        kept.pop("path", None)
    said = (f"{name}={value}" if value else name for name, value in kept.items())
    return "; ".join([pair, *said])
