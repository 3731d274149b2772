"""Pages over HTTP: `requests` on a session's own proxy and kept connections."""

import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import certifi
import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from limpet.errors import Blame, FetchError
from sessions import Lease
from tasks import cookies
from tasks.blame import classify, made_by_proxy
from tasks.job import web_url

#: Sessions whose connections one process keeps open.
_KEPT: Final = 512
_MAX_REDIRECTS: Final = 10
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
#: A dead proxy is known by its dial, long before a slow page is.
_CONNECT_TIMEOUT: Final = 10.0
_CHUNK: Final = 65_536


@cache
def _tls() -> ssl.SSLContext:
    """One context a process.

    requests makes one a connection, and loads the CA bundle each time: 17 ms of CPU and
    700 KB, measured with requests 2.34 (see psf/requests#6767).
    """
    return ssl.create_default_context(cafile=certifi.where())


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=_tls(), **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=_tls(), **kwargs)

    def cert_verify(self, *_args: Any, **_kwargs: Any) -> None:
        """Leave it to the shared context; the default would load the bundle again."""

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {k: v for k, v in pool.items() if not k.startswith("ca_cert")}


def _client(lease: Lease, user_agent: str) -> requests.Session:
    made = requests.Session()
    # The environment's HTTP_PROXY would silently win over the session's proxy.
    made.trust_env = False
    made.proxies = {"http": lease.proxy.url, "https": lease.proxy.url}
    made.headers["User-Agent"] = user_agent
    adapter = _Adapter(pool_connections=4, pool_maxsize=2, max_retries=0)
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    return made


@dataclass(slots=True)
class _Kept:
    """A session's client; it fits a lease of the same binding and state version."""

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
    """Fetches pages; keeps one client, so one set of connections, per session."""

    def __init__(self, *, user_agent: str, clock: Callable[[], float] = time.monotonic):
        self._user_agent = user_agent
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, lease: Lease, url: str, *, timeout: float, max_bytes: int) -> Page:
        """Fetch *url* through the lease's proxy within *timeout* seconds.

        Raises:
            FetchError: it could not be fetched. Its text has no URL or credential.
        """
        client = self._client_of(lease)
        socks = lease.proxy.scheme.startswith("socks")
        start = self._clock()
        for hop in range(_MAX_REDIRECTS + 1):
            try:
                page = self._hop(client, url, start, timeout, max_bytes)
            except (RequestException, HTTPError, OSError) as error:
                raise classify(error, socks=socks) from None
            if not socks and urlsplit(url).scheme == "http":
                fault = made_by_proxy(page.status, page.headers)
                if fault:
                    raise fault
            target = page.headers.get("location")
            if page.status not in _REDIRECTS or not target:
                return replace(page, redirects=hop)
            url = _follow(page.url, target)
        raise FetchError(Blame.TARGET, "redirects", f"more than {_MAX_REDIRECTS}")

    def cookies(self, lease: Lease) -> list[dict[str, Any]] | None:
        """Return the session's cookies if the site changed them, else `None`."""
        held = cookies.to_json(self._client_of(lease).cookies)
        before = cookies.to_json(cookies.to_jar(lease.state.cookies))
        return None if held == before else held

    def keep(self, lease: Lease, version: int) -> None:
        """Remember the version that the session's state got; below 0 it is gone."""
        with self._lock:
            kept = self._kept.get((lease.pool, lease.session))
            if kept and kept.binding == _binding(lease):
                kept.version = version
        if version < 0:
            self.drop(lease)

    def drop(self, lease: Lease) -> None:
        """Close the session's connections: what happened on them is not known."""
        with self._lock:
            kept = self._kept.pop((lease.pool, lease.session), None)
        if kept:
            kept.client.close()

    def _client_of(self, lease: Lease) -> requests.Session:
        name, binding = (lease.pool, lease.session), _binding(lease)
        stale: list[_Kept] = []
        with self._lock:
            kept = self._kept.get(name)
            if kept is None or kept.binding != binding:
                stale += [kept] if kept else []
                kept = _Kept(binding, -1, _client(lease, self._user_agent))
                self._kept[name] = kept
            self._kept.move_to_end(name)
            while len(self._kept) > _KEPT:
                stale.append(self._kept.popitem(last=False)[1])
        for one in stale:
            one.client.close()
        if kept.version != lease.state.version:
            kept.client.cookies = cookies.to_jar(lease.state.cookies)
            kept.version = lease.state.version
        return kept.client

    def _hop(
        self, client: requests.Session, url: str, start: float, timeout: float, cap: int
    ) -> Page:
        left = timeout - (self._clock() - start)
        if left <= 0:
            raise FetchError(Blame.UNKNOWN, "timeout", "redirects took too long")
        with client.get(
            url,
            stream=True,
            allow_redirects=False,
            timeout=(min(left, _CONNECT_TIMEOUT), left),
        ) as answer:
            body = bytearray()
            while len(body) <= cap and (
                chunk := answer.raw.read1(_CHUNK, decode_content=True)
            ):
                body += chunk
                if self._clock() - start > timeout:
                    raise FetchError(Blame.UNKNOWN, "timeout", "the body took too long")
            return Page(
                url=answer.url,
                status=answer.status_code,
                headers={k.lower(): v for k, v in answer.headers.items()},
                body=bytes(body[:cap]),
                truncated=len(body) > cap,
                elapsed=self._clock() - start,
                redirects=0,
            )


def _binding(lease: Lease) -> tuple[int, int, str]:
    return (lease.incarnation, lease.generation, lease.proxy.url)


def _follow(base: str, target: str) -> str:
    try:
        return web_url(urljoin(base, target))
    except ValueError:
        raise FetchError(
            Blame.TARGET, "redirect_url", "the site redirects to no web address"
        ) from None
