"""Pages over HTTP: `requests` on a session's own proxy and kept connections."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests

from limpet.errors import Blame, FetchError
from sessions import Lease
from tasks import cookies
from tasks.blame import classify, late, made_by_proxy
from tasks.connections import Adapter
from tasks.deadline import Deadline, Watchdog
from tasks.job import web_url

#: Sessions whose connections one process keeps open.
_KEPT: Final = 512
_MAX_REDIRECTS: Final = 10
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CHUNK: Final = 65_536
#: A redirect's body is read so that its connection can be kept; not if it is longer.
_REDIRECT_BYTES: Final = 65_536


class _Client(requests.Session):
    def get_redirect_target(self, _answer: requests.Response) -> None:
        """Say that there is none.

        Even when told to follow none, requests would read the redirect's whole body.
        """


def _client(lease: Lease, user_agent: str) -> requests.Session:
    made = _Client()
    # The environment's HTTP_PROXY would silently win over the session's proxy.
    made.trust_env = False
    if not lease.proxy.direct:
        made.proxies = {"http": lease.proxy.url, "https": lease.proxy.url}
    made.headers["User-Agent"] = user_agent
    adapter = Adapter(pool_connections=4, pool_maxsize=2, max_retries=0)
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    return made


@dataclass(frozen=True, slots=True)
class _Kept:
    """A client that nobody uses; it fits a lease of the same binding."""

    binding: tuple[int, int, str]
    version: int
    client: requests.Session


@dataclass(frozen=True, slots=True)
class Page:
    """What came back; *headers* have lower-case names, *elapsed* is in seconds."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes
    truncated: bool
    elapsed: float
    redirects: int


class Fetcher:
    """Fetches pages; keeps one client, so one set of connections, per session.

    A client belongs to the lease that fetches with it until `keep` or `drop`: a holder
    that has lost its lease cannot touch what the next one uses.
    """

    def __init__(self, *, user_agent: str) -> None:
        self._user_agent = user_agent
        self._watchdog = Watchdog()
        self._used: dict[tuple[str, str], requests.Session] = {}
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, lease: Lease, url: str, *, timeout: float, max_bytes: int) -> Page:
        """Fetch *url* through the lease's proxy within *timeout* seconds.

        Raises:
            FetchError: it could not be fetched. Its text has no URL or credential.
        """
        client = self._client_of(lease)
        with self._watchdog.deadline(timeout) as deadline:
            try:
                return self._follow(client, lease, url, max_bytes, deadline)
            except Exception as error:
                # What it says may hold a URL with a password: nothing of it goes on.
                if deadline.over:
                    raise late(dialling=deadline.dialling) from None
                if isinstance(error, FetchError):
                    raise
                raise classify(error) from None

    def cookies(self, lease: Lease) -> list[dict[str, Any]]:
        """Return the session's cookies: as they were, if the site changed none."""
        held = cookies.to_json(self._client_of(lease).cookies)
        before = cookies.to_json(cookies.to_jar(lease.state.cookies))
        return lease.state.cookies if held == before else held

    def keep(self, lease: Lease, version: int) -> None:
        """Keep the connections for the session's next lease.

        *version* is what its state got; below 0 the session is gone.
        """
        if version < 0:
            self.drop(lease)
            return
        name = (lease.pool, lease.session)
        with self._lock:
            client = self._used.pop(_holder(lease), None)
            if client is None:
                return
            stale = [self._kept.pop(name, None)]
            self._kept[name] = _Kept(_binding(lease), version, client)
            if len(self._kept) > _KEPT:
                stale.append(self._kept.popitem(last=False)[1])
        for one in filter(None, stale):
            one.client.close()

    def drop(self, lease: Lease) -> None:
        """Close the lease's connections: what happened on them is not known."""
        with self._lock:
            client = self._used.pop(_holder(lease), None)
        if client:
            client.close()

    def _client_of(self, lease: Lease) -> requests.Session:
        stale = None
        with self._lock:
            if client := self._used.get(_holder(lease)):
                return client
            kept = self._kept.pop((lease.pool, lease.session), None)
            if kept and kept.binding != _binding(lease):
                stale, kept = kept, None
            client = kept.client if kept else _client(lease, self._user_agent)
            self._used[_holder(lease)] = client
        if stale:
            stale.client.close()
        if kept is None or kept.version != lease.state.version:
            client.cookies = cookies.to_jar(lease.state.cookies)
        return client

    def _follow(
        self,
        client: requests.Session,
        lease: Lease,
        url: str,
        cap: int,
        deadline: Deadline,
    ) -> Page:
        forwarded = lease.proxy.scheme in {"http", "https"}
        for hop in range(_MAX_REDIRECTS + 1):
            page = _hop(client, url, cap, deadline)
            if forwarded and urlsplit(url).scheme == "http":
                fault = made_by_proxy(page.status, page.headers)
                if fault:
                    raise fault
            target = page.headers.get("location")
            if page.status not in _REDIRECTS or not target:
                return replace(page, redirects=hop)
            url = _next(page.url, target)
        raise FetchError(Blame.TARGET, "redirects", f"more than {_MAX_REDIRECTS}")


def _hop(client: requests.Session, url: str, cap: int, deadline: Deadline) -> Page:
    with client.get(
        url, stream=True, allow_redirects=False, timeout=deadline.left + 1
    ) as answer:
        if answer.status_code in _REDIRECTS and "location" in answer.headers:
            cap = min(cap, _REDIRECT_BYTES)
        body = bytearray()
        while len(body) <= cap and (
            chunk := answer.raw.read1(_CHUNK, decode_content=True)
        ):
            body += chunk
        # A connection that was shut down looks like the end of a page.
        if deadline.over:
            raise TimeoutError
        return Page(
            url=answer.url,
            status=answer.status_code,
            headers={k.lower(): v for k, v in answer.headers.items()},
            body=bytes(body[:cap]),
            truncated=len(body) > cap,
            elapsed=deadline.elapsed,
            redirects=0,
        )


def _holder(lease: Lease) -> tuple[str, str]:
    return (lease.pool, lease.token)


def _binding(lease: Lease) -> tuple[int, int, str]:
    return (lease.incarnation, lease.generation, lease.proxy.url)


def _next(base: str, target: str) -> str:
    try:
        return web_url(urljoin(base, _location(target.encode("latin-1"))))
    except ValueError:
        raise FetchError(
            Blame.TARGET, "redirect_url", "the site redirects to no web address"
        ) from None


def _location(raw: bytes) -> str:
    """Read a header as browsers do: UTF-8, and what is none byte by byte."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "".join(chr(one) if one < 0x80 else f"%{one:02X}" for one in raw)  # noqa: PLR2004 - ASCII
