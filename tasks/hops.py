"""Redirects, followed by hand: each is judged, and secrets stay with their origin.

Libraries that follow by themselves ask nobody where to, and send a custom header such
as ``X-Api-Key`` along to whatever host they are sent to.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self
from urllib.parse import SplitResult, urljoin, urlsplit

from limpet.errors import AddressRefused, Blame, FetchError, WorkerExhausted
from limpet.jobs import web_url
from limpet.jobs.fields import URL_MAX
from limpet.jobs.headers import reserved
from sessions import Lease
from tasks.fetching import Request, as_sent
from tasks.guard import Guard
from tasks.page import Page

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
#: A redirect's body is read so that its connection can be kept; not if it is longer.
REDIRECT_BYTES: Final = 65_536
#: Request headers that say nothing of who asks; others stay with their origin.
_HARMLESS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "dnt",
        "pragma",
        "upgrade-insecure-requests",
        "user-agent",
    }
)
_PORTS: Final = {"http": 80, "https": 443}
#: What of an address comes before its query and its fragment.
_BEFORE: Final = re.compile(r"[^?#]*")


@dataclass(frozen=True, slots=True)
class Hop:
    """One request of a fetch, as it goes out; *url* is in its normal form."""

    url: str = field(repr=False)
    method: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)

    @classmethod
    def first(cls, lease: Lease, request: Request) -> Self:
        """Make the first one: the session's headers, and over them the request's."""
        state = lease.state
        held = {"user-agent": ("User-Agent", state.user_agent)}
        for name, value in (*state.headers.items(), *request.headers.items()):
            held[name.lower()] = (name, value)
        if request.content_type:
            held["content-type"] = ("Content-Type", request.content_type)
        headers = {
            name: value
            for low, (name, value) in held.items()
            if value and not reserved(low)
        }
        try:
            return cls(request.address, request.method, headers, request.body)
        except ValueError:
            raise AddressRefused("not a URL that can be fetched") from None

    def after(self, page: Page, location: str) -> Self:
        """Make the next one, as browsers do (WHATWG Fetch, HTTP-redirect fetch).

        Raises:
            FetchError: it leads to no web address, or to one that is too long.
        """
        url = _next(self.url, location)
        changed = replace(self, url=url)
        see_other = page.status == 303 and self.method != "HEAD"  # noqa: PLR2004 - See Other
        if see_other or (page.status in {301, 302} and self.method == "POST"):
            headers = {
                k: v
                for k, v in self.headers.items()
                if not k.lower().startswith("content-")
            }
            changed = replace(changed, method="GET", body=None, headers=headers)
        if _origin(urlsplit(url)) == _origin(urlsplit(self.url)):
            return changed
        return replace(
            changed,
            headers={
                k: v for k, v in changed.headers.items() if _goes_along(k, changed.body)
            },
        )


def follow(
    send: Callable[[Hop], Page], lease: Lease, request: Request, guard: Guard
) -> Page:
    """Send *request* and what it is redirected to; return the last page.

    Raises:
        AddressRefused: it leads to where no job may go.
        FetchError: it leads nowhere, or in circles; or *send* raised it.
        LimpetError: what the request's *allow* has raised.
    """
    hop, wire = Hop.first(lease, request), 0
    for count in range(request.max_redirects + 1):
        guard.judge(hop.url)
        try:
            if count and request.allow:
                request.allow(hop.url)
            page = send(hop)
        except (FetchError, WorkerExhausted) as error:
            error.redirected = count > 0
            raise
        wire += page.wire
        location = page.headers.get("location")
        if not request.follow or page.status not in REDIRECTS or not location:
            return replace(page, redirects=count, wire=wire)
        hop = hop.after(page, location)
    raise FetchError(
        Blame.TARGET, "redirects", f"more than {request.max_redirects} of them"
    )


def cap(request: Request, status: int, headers: Mapping[str, str]) -> int:
    """Return how many bytes of an answer's body are wanted."""
    leads_on = request.follow and status in REDIRECTS and headers.get("location")
    return min(request.max_bytes, REDIRECT_BYTES) if leads_on else request.max_bytes


def _goes_along(name: str, body: bytes | None) -> bool:
    low = name.lower()
    if low == "content-type":
        return body is not None
    return low in _HARMLESS or low.startswith("sec-")


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return (url.scheme, url.hostname, url.port or _PORTS.get(url.scheme))


def _next(base: str, location: str) -> str:
    try:
        url = urljoin(base, _readable(location))
        if len(url) <= URL_MAX:
            url = as_sent(web_url(url))
        # What follows a # stays, unless the site says another (RFC 9110, 10.2.2).
        parts, fragment = urlsplit(url), urlsplit(base).fragment
    except ValueError:
        raise FetchError(
            Blame.TARGET, "redirect_url", "the site redirects to no web address"
        ) from None
    if len(url) > URL_MAX:
        raise FetchError(
            Blame.TARGET,
            "redirect_url",
            f"the site redirects to a URL of more than {URL_MAX:,} characters",
        )
    return url if parts.fragment or not fragment else f"{url}#{fragment}"


def _readable(location: str) -> str:
    """Read a header as browsers do: UTF-8, and what is none byte by byte.

    A backslash is a slash (WHATWG URL, special schemes).
    """
    raw = location.encode("latin-1", "replace")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "".join(chr(one) if one < 0x80 else f"%{one:02X}" for one in raw)  # noqa: PLR2004 - ASCII
    return _BEFORE.sub(lambda found: found[0].replace("\\", "/"), text, count=1)
