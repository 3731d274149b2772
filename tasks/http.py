"""Pages over HTTP: `requests` on a session's own proxy and kept connections."""

import http.client
import ssl
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict

from limpet.errors import LimpetError, WorkerExhausted
from limpet.settings import Settings
from sessions import Lease
from tasks.blame import causes, classify, exhausted, late, made_by_proxy, site_s
from tasks.blocks import Blocks
from tasks.clients import Clients
from tasks.connections import Adapter, tls_context
from tasks.deadline import Deadline, Stage, Watchdog
from tasks.fetching import Request
from tasks.guard import Guard
from tasks.hops import Hop, cap, follow
from tasks.page import Page
from tasks.unpacking import is_whole

_CHUNK: Final = 65_536
#: Methods that do the same when done twice (RFC 9110, section 9.2.2).
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


class _Client(requests.Session):
    def get_redirect_target(self, _answer: requests.Response) -> None:
        """Say that there is none.

        Even when told to follow none, requests would read the redirect's whole body.
        """


class Fetcher:
    """Fetches pages; keeps one client, so one set of connections, per session."""

    def __init__(
        self,
        *,
        user_agent: str,
        guard: Guard | None = None,
        blocks: Blocks | None = None,
        ca_file: str = "",
    ) -> None:
        self._user_agent = user_agent
        self._guard = guard or Guard()
        self._blocks = blocks or Blocks()
        self._ca_file = ca_file
        # Loaded now: a worker that is out of files later could not.
        tls_context(ca_file)
        self._watchdog = Watchdog()
        self._clients = Clients(self._client)

    def fetch(self, lease: Lease, request: Request) -> Page:
        """Fetch through the lease's proxy, within the request's timeout.

        A page that is a block is marked so, not raised.

        Raises:
            FetchError: it could not be fetched. Its text has no URL or credential.
            WorkerExhausted: there was no socket for it; idle ones are closed now.
            AddressRefused: the URL, or where it redirects to, is not for jobs.
        """
        client = self._clients.of(lease)
        with self._watchdog.deadline(request.timeout) as deadline:
            fetch = _Fetch(client, lease, request, deadline)
            try:
                page = follow(fetch.send, lease, request, self._guard)
            except WorkerExhausted:
                self._clients.shed()
                raise
        return self._blocks.judge(page, request.blocks)

    def cookies(self, lease: Lease) -> list[dict[str, Any]]:
        """Return the session's cookies: as they were, if the site changed none."""
        return self._clients.cookies(lease)

    def keep(self, lease: Lease, version: int) -> None:
        """Keep the connections for the session's next lease.

        *version* is what its state got; below 0 the session is gone.
        """
        self._clients.keep(lease, version)

    def drop(self, lease: Lease) -> None:
        """Close the lease's connections: what happened on them is not known."""
        self._clients.drop(lease)

    def _client(self, lease: Lease) -> requests.Session:
        made = _Client()
        # The environment's HTTP_PROXY would silently win over the session's proxy, and
        # a .netrc would log in to sites.
        made.trust_env = False
        if not lease.proxy.direct:
            made.proxies = {"http": lease.proxy.url, "https": lease.proxy.url}
        made.headers["User-Agent"] = self._user_agent
        adapter = Adapter(self._guard, self._ca_file)
        made.mount("http://", adapter)
        made.mount("https://", adapter)
        return made


def fetcher_of(settings: Settings) -> Fetcher:
    """Make the fetcher that *settings* describe."""
    return Fetcher(
        user_agent=settings.user_agent,
        guard=Guard.of(settings),
        blocks=Blocks.of(settings),
        ca_file=str(settings.ca_file or ""),
    )


@dataclass(slots=True)
class _Fetch:
    """One fetch: its requests, one after the other."""

    client: requests.Session
    lease: Lease
    request: Request
    deadline: Deadline

    def send(self, hop: Hop) -> Page:
        """Send one request; errors are ours, without a word of the original."""
        direct = self.lease.proxy.direct
        try:
            page = self._send(hop)
        except LimpetError:
            raise
        except Exception as error:  # noqa: BLE001 - all are made ours
            # What it says may hold a URL with a password: nothing of it goes on.
            if short := exhausted(error):
                raise short from None
            stage = self.deadline.stage
            if self.deadline.over:
                raise (site_s(late(stage)) if direct else late(stage)) from None
            raise classify(
                error, stage, direct=direct, forwarded=self._forwarded(hop)
            ) from None
        if self._forwarded(hop) and (fault := made_by_proxy(page.status, page.headers)):
            raise fault
        return page

    def _forwarded(self, hop: Hop) -> bool:
        through = self.lease.proxy.scheme in {"http", "https"}
        return through and urlsplit(hop.url).scheme == "http"

    def _send(self, hop: Hop) -> Page:
        self.deadline.stage = Stage.START
        try:
            return self._once(hop)
        except Exception as error:
            if not self._stale(hop, error):
                raise
        # The other side had closed what was kept; it has not seen this request.
        for adapter in self.client.adapters.values():
            adapter.close()
        self.deadline.stage = Stage.START
        return self._once(hop)

    def _stale(self, hop: Hop, error: Exception) -> bool:
        early = self.deadline.stage in {Stage.SEND, Stage.WAIT}
        return (
            early
            and self.deadline.reused
            and not self.deadline.over
            and hop.method in _IDEMPOTENT
            and any(map(_closed, causes(error)))
        )

    def _once(self, hop: Hop) -> Page:
        with self.client.send(
            self._prepared(hop),
            stream=True,
            allow_redirects=False,
            timeout=self.deadline.left + 1,
            proxies=self.client.proxies,
        ) as answer:
            headers = {k.lower(): v for k, v in answer.headers.items()}
            most = cap(self.request, answer.status_code, headers)
            body, truncated = self._read(answer.raw, most)
            return Page(
                url=answer.url,
                status=answer.status_code,
                headers=headers,
                body=body,
                truncated=truncated,
                elapsed=self.deadline.elapsed,
                wire=answer.raw.tell(),
                reused=self.deadline.reused,
            )

    def _prepared(self, hop: Hop) -> requests.PreparedRequest:
        """Make what is sent: the hop's own URL, as the guard has judged it.

        `requests.Session.request` would take a third of the time that a page takes, to
        read the URL again and to merge settings that nobody gave.
        """
        made = requests.PreparedRequest()
        made.method, made.url = hop.method, hop.url
        headers = CaseInsensitiveDict(self.client.headers)
        headers.update(hop.headers)
        made.prepare_headers(headers)
        if self.client.cookies:
            made.prepare_cookies(self.client.cookies)
        made.prepare_body(hop.body, None)
        return made

    def _read(self, raw: Any, most: int) -> tuple[bytes, bool]:
        body = bytearray()
        while len(body) <= most and (chunk := raw.read1(_CHUNK, decode_content=True)):
            body += chunk
            if self.deadline.over:
                break
        # A connection that was shut down looks like the end of a page.
        if self.deadline.over:
            raise TimeoutError
        truncated = len(body) > most
        if not truncated and not is_whole(raw):
            raise ConnectionError
        del body[most:]
        return bytes(body), truncated


def _closed(error: BaseException) -> bool:
    closed = (ConnectionError, http.client.RemoteDisconnected, ssl.SSLEOFError)
    return isinstance(error, closed)
