"""A session's cookies and storage, as a browser has them and as they are kept."""

import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from limpet.settings import Settings
from tasks.cookie_policy import site_of

#: Chromium takes no later one.
_LATEST: Final = 253_402_300_799
#: Cookies of one session: Chromium keeps 3,000 of all sites, and 180 of one.
_MOST_COOKIES: Final = 300
#: What Chromium takes of a cookie; the rest is ours.
_FIELDS: Final = (
    *("name", "value", "domain", "path", "expires", "httpOnly", "secure", "sameSite"),
    "partitionKey",
)

_PORTS: Final = {"http": 80, "https": 443}

Cookie = dict[str, Any]
Origin = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a browser's storage a session keeps."""

    origins: int
    size: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        return cls(settings.render_max_origins, settings.render_max_storage_bytes)


def to_browser(cookies: Iterable[Cookie], hosts: Iterable[str]) -> list[Cookie]:
    """Return *cookies* as Chromium takes them; *hosts* are those that a job names.

    The standard library keeps a cookie of ``shop``, a host without a dot, as one of
    ``shop.local``.
    """
    plain = {f"{host}.local": host for host in hosts if "." not in host}
    now = time.time()
    return [
        _cookie(one, plain) for one in cookies if not 0 <= one.get("expires", -1) <= now
    ]


def _cookie(one: Cookie, plain: Mapping[str, str]) -> Cookie:
    found = {name: one[name] for name in _FIELDS if one.get(name) is not None}
    domain = str(one["domain"])
    host_only = one.get("_hostOnly", not domain.startswith("."))
    bare = plain.get(domain, domain).removeprefix(".")
    found["domain"] = bare if host_only else f".{bare}"
    found["expires"] = min(found.get("expires", -1), _LATEST)
    return found


def from_browser(cookies: Iterable[Cookie], hosts: Iterable[str]) -> list[Cookie]:
    """Return a browser's cookies as a session keeps them, those of *hosts* first."""
    sites = {site_of(host) for host in hosts}
    order = sorted(
        cookies, key=lambda one: site_of(str(one["domain"]).strip(".")) not in sites
    )
    return [_kept(one) for one in order[:_MOST_COOKIES]]


def _kept(one: Cookie) -> Cookie:
    domain = str(one["domain"])
    if "." not in domain:
        domain = f"{domain}.local"  # as `http.cookiejar` has it
    return {**one, "domain": domain, "_hostOnly": not domain.startswith(".")}


def first_party(
    found: Sequence[Origin], hosts: Iterable[str], limits: Limits
) -> list[Origin]:
    """Return of the origins *found* those that a session keeps: newest first, capped.

    *hosts* are those that pages were of, the last one last.
    """
    order = {site: n for n, site in enumerate(map(site_of, hosts))}
    mine = [one for one in found if _has(one) and _site(one) in order]
    mine.sort(key=lambda one: -order[_site(one)])
    kept, left = [], limits.size
    for one in mine[: limits.origins]:
        left -= len(json.dumps(one))
        if left < 0:
            break
        kept.append(one)
    return kept


def merged(
    before: Iterable[Origin], found: Iterable[Origin], touched: Collection[str]
) -> list[Origin]:
    """Return what a session keeps after a page: what was *found*, the rest as it was.

    Only a document of an origin can change what that keeps; those were of *touched*.
    """
    new = {str(one["origin"]): one for one in found}
    old = [
        one
        for one in before
        if one["origin"] not in touched and one["origin"] not in new
    ]
    return [*old, *new.values()]


def _has(origin: Origin) -> bool:
    return bool(origin.get("localStorage") or origin.get("indexedDB"))


def _site(origin: Origin) -> str:
    return site_of(urlsplit(str(origin["origin"])).hostname or "")


def host_of(url: str) -> str:
    """Return the host of *url*, empty for ``about:blank`` and the like."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def origin_of(url: str) -> str:
    """Return the origin of an http or https *url* as browsers write it, or ""."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    usual = _PORTS.get(parts.scheme)
    if usual is None or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{'' if port in {None, usual} else f':{port}'}"
