"""Which cookies a session takes from a site, and to which sites it shows them.

The standard library's policy sends a cookie that is for one host to all hosts below it,
and takes one for all of ``co.uk``. This one does as browsers do (RFC 6265bis).
"""

import re
import time
from functools import cache, lru_cache
from http.cookiejar import Cookie, DefaultCookiePolicy
from typing import Final
from urllib.parse import urlsplit
from urllib.request import Request

from publicsuffixlist import PublicSuffixList

_PORT: Final = re.compile(r":\d*$")
#: Bytes of a cookie's name and value (RFC 6265bis, section 5.7).
_LARGEST: Final = 4096


@cache
def _suffixes() -> PublicSuffixList:
    """The list that comes with the package: 0.1 s and 4 MB, so once a process."""
    return PublicSuffixList()


@lru_cache(maxsize=4096)
def _is_public(domain: str) -> bool:
    """Whether strangers have names below *domain*: ``com``, ``co.uk`` and so on."""
    return _suffixes().is_public(domain.strip("."))


def reaches(domain: str, host: str) -> bool:
    """Whether a cookie that names *domain* is for *host* too."""
    domain = domain.removeprefix(".")
    if host == domain:
        return True
    below = host.endswith(f".{domain}")
    return below and not _is_address(host) and not _is_public(domain)


def names(domain: str, host: str) -> bool:
    """Whether a cookie that was given no domain, and has *domain* now, is *host*'s own.

    The standard library takes a host without a dot for one in ``.local``.
    """
    return domain == host or ("." not in host and domain == f"{host}.local")


@lru_cache(maxsize=4096)
def site_of(host: str) -> str:
    """Return what of *host* one owner has: ``shop.co.uk``; of an address all."""
    if _is_address(host):
        return host
    return _suffixes().privatesuffix(host) or host


def _is_address(host: str) -> bool:
    return host.startswith("[") or host.rpartition(".")[2].isdigit()


def keeps_its_prefix(cookie: Cookie) -> bool:
    """Whether *cookie* is what its name promises (RFC 6265bis, section 4.1.3)."""
    name = cookie.name.lower()
    if name.startswith("__secure-"):
        return cookie.secure
    if name.startswith("__host-"):
        here = not cookie.domain_specified and cookie.path == "/"
        return cookie.secure and here and cookie.path_specified
    return True


def size_of(cookie: Cookie) -> int:
    """Return the bytes of its name and value."""
    return len(cookie.name) + len(cookie.value or "")


def used_at(cookie: Cookie) -> float:
    """Return when *cookie* was set or sent last, by `time.monotonic`; or 0."""
    return getattr(cookie, "used", 0.0)


class Policy(DefaultCookiePolicy):
    """Keeps host-only cookies to their host, and all out of other people's domains.

    It notes when a cookie is used, see `used_at`.
    """

    def set_ok(self, cookie: Cookie, request: Request) -> bool:
        # Over http:// anybody on the way could have set it.
        if cookie.secure and request.type != "https":
            return False
        if size_of(cookie) > _LARGEST or not keeps_its_prefix(cookie):
            return False
        return super().set_ok(cookie, request) and _use(cookie)

    def return_ok(self, cookie: Cookie, request: Request) -> bool:
        return super().return_ok(cookie, request) and _use(cookie)

    def set_ok_domain(self, cookie: Cookie, request: Request) -> bool:
        return not cookie.domain_specified or reaches(cookie.domain, host_of(request))

    def return_ok_domain(self, cookie: Cookie, request: Request) -> bool:
        host = host_of(request)
        if cookie.domain_specified:
            return reaches(cookie.domain, host)
        return names(cookie.domain, host)


def host_of(request: Request) -> str:
    """Return the host's name, an IPv6 address in its brackets."""
    return _PORT.sub("", urlsplit(request.get_full_url()).netloc).lower()


def _use(cookie: Cookie) -> bool:
    cookie.used = time.monotonic()  # type: ignore[attr-defined] # ours
    return True
