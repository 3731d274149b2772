"""One request through one proxy, as a worker would send it, to see what it is worth.

The way out is the fetcher that jobs use: guard, deadline and blame are the same.
"""

import ipaddress
import json
import time
from dataclasses import dataclass
from typing import Final

import jmespath

from limpet.errors import AddressRefused, FetchError, WorkerExhausted
from proxies import Outcome, Proxy, Tried
from sessions import Lease
from sessions.state import SessionState
from tasks import runtime
from tasks.blame import outcome
from tasks.fetching import Request
from tasks.page import Page

#: Enough to see that a page came.
_MAX_BYTES: Final = 65_536
_BROKEN: Final = 500


@dataclass(frozen=True, slots=True)
class Target:
    """A page to fetch, within *timeout* seconds.

    *address* is a JMESPath into its JSON, empty where the page itself is the address.
    """

    url: str
    timeout: float
    address: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """How it went; *status* is the page's, *detail* what went wrong. No credentials."""

    tried: Tried
    status: str
    detail: str


def probe(pool: str, proxy: Proxy, target: Target, *, token: str = "") -> Probe:
    """Fetch the page of *target* through *proxy* of *pool*; its fate is the result.

    *token* is that of the turn in which a cooling proxy is tried. A proxy that stands
    for going out without one is refused: what it would show is this machine.
    """
    if proxy.direct:
        raise AddressRefused("going out without a proxy is no probe of one")
    lease = _lease(pool, proxy)
    status, detail, fault, exit_ = "", "", 1.0, ""
    start = time.monotonic()
    try:
        page = runtime.fetcher().fetch(
            lease, Request(target.url, timeout=target.timeout, max_bytes=_MAX_BYTES)
        )
        kind, status = _judged(page), str(page.status)
        if kind is Outcome.OK:
            exit_ = seen_address(page, target.address)
    except FetchError as error:
        (kind, fault), detail = outcome(error), str(error)
    except (AddressRefused, WorkerExhausted) as error:
        kind, detail = Outcome.NONE, str(error)
    finally:
        runtime.fetcher().drop(lease)
    elapsed = time.monotonic() - start
    return Probe(Tried(kind, elapsed, fault, token, exit_), status, detail)


def seen_address(page: Page, path: str) -> str:
    """Return the address that *page* says it was visited from, "" if it says none."""
    text = page.text()
    try:
        found = jmespath.search(path, json.loads(text)) if path else text
        return ipaddress.ip_address(found.strip()).compressed
    except (ValueError, AttributeError, jmespath.exceptions.JMESPathError):
        return ""


def _judged(page: Page) -> Outcome:
    if page.block:
        return Outcome.BLOCKED
    return Outcome.NONE if page.status >= _BROKEN else Outcome.OK


def _lease(pool: str, proxy: Proxy) -> Lease:
    """A lease that no session stands behind: a probe is a visit of nobody."""
    return Lease(
        pool=pool,
        session=f"~probe-{proxy.id}",
        token=f"probe:{proxy.id}",
        proxy=proxy,
        generation=0,
        incarnation=0,
        state=SessionState(),
        temporary=True,
        shared=False,
        created=False,
        moved=False,
    )
