"""Pages over libcurl, with the TLS and the headers of a browser.

Some sites tell a program by its TLS handshake alone, whatever its headers say. This
fetcher shows that of ``LIMPET_CURL_IMPERSONATE``; all else is as with the other one.
"""

import os
import socket
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import certifi
from curl_cffi import Curl, CurlECode, CurlError, CurlInfo, CurlOpt
from curl_cffi.requests.impersonate import REAL_TARGET_MAP
from requests.cookies import RequestsCookieJar

from limpet.errors import (
    Blame,
    ConfigurationError,
    FetchError,
    LimpetError,
    WorkerExhausted,
)
from limpet.settings import Settings
from proxies import Proxy
from sessions import Lease
from tasks import cookies
from tasks.blame import exhausted, made_by_proxy, site_s, unexpected
from tasks.blocks import Blocks
from tasks.clients import SITES, Clients
from tasks.curl_answer import Answer
from tasks.curl_blame import blamed
from tasks.deadline import Deadline, Stage, Watchdog
from tasks.dialling import DIAL_TIMEOUT, look_up
from tasks.fetching import Request
from tasks.guard import Guard
from tasks.hops import Hop, cap, follow
from tasks.page import Page
from tasks.resolver import sites

#: libcurl sends again what a kept connection did not answer, whatever the method.
_TWICE_IS_ONCE: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_PORTS: Final = {"http": 80, "https": 443}


class _Client:
    """A handle with its connections, and the session's cookies."""

    def __init__(self) -> None:
        self.curl = Curl()
        self.cookies: RequestsCookieJar = cookies.to_jar()

    def close(self) -> None:
        self.curl.close()


class CurlFetcher:
    """Fetches pages as a browser's handshake has them; see `Fetcher`."""

    def __init__(
        self,
        *,
        impersonate: str,
        guard: Guard | None = None,
        blocks: Blocks | None = None,
        ca_file: str = "",
    ) -> None:
        browser = REAL_TARGET_MAP.get(impersonate, impersonate)
        if Curl().impersonate(browser):
            raise ConfigurationError(
                f"LIMPET_CURL_IMPERSONATE: there is no browser {impersonate!r}"
            )
        self._impersonate = browser
        self._guard = guard or Guard()
        self._blocks = blocks or Blocks()
        self._bundle = _Bundle(ca_file)
        self._watchdog = Watchdog()
        self._clients = Clients(lambda _lease: _Client())

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
            fetch = _Fetch(client, lease.proxy, request, deadline, self._guard)
            fetch.options = {
                CurlOpt.CAINFO: self._bundle.path,
                CurlOpt.PROXY_CAINFO: self._bundle.path,
            }
            fetch.impersonate = self._impersonate
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
        """Keep the connections for the session's next lease."""
        self._clients.keep(lease, version)

    def drop(self, lease: Lease) -> None:
        """Close the lease's connections: what happened on them is not known."""
        self._clients.drop(lease)


def fetcher_of(settings: Settings) -> CurlFetcher:
    """Make the fetcher that *settings* describe.

    Raises:
        ConfigurationError: libcurl knows no such browser.
    """
    return CurlFetcher(
        impersonate=settings.curl_impersonate,
        guard=Guard.of(settings),
        blocks=Blocks.of(settings),
        ca_file=str(settings.ca_file or ""),
    )


class _Bundle:
    """The certificate authorities in one file, which is all that libcurl takes."""

    def __init__(self, ca_file: str) -> None:
        self.path = certifi.where()
        if ca_file:
            usual, ours = Path(self.path).read_bytes(), Path(ca_file).read_bytes()
            number, self.path = tempfile.mkstemp(suffix=".pem")
            weakref.finalize(self, Path(self.path).unlink, missing_ok=True)
            with os.fdopen(number, "wb") as file:
                file.write(usual + ours)


@dataclass(slots=True)
class _Fetch:
    """One fetch: its requests, one after the other."""

    client: _Client
    proxy: Proxy
    request: Request
    deadline: Deadline
    guard: Guard
    options: dict[CurlOpt, Any] = field(default_factory=dict)
    impersonate: str = ""

    def send(self, hop: Hop) -> Page:
        """Send one request; errors are ours, without a word of the original."""
        answer = Answer(self.request)
        curl = self.client.curl
        try:
            self._prepare(hop, answer)
            curl.perform()
        except LimpetError:
            raise
        except CurlError as error:
            if not (answer.enough and error.code == CurlECode.WRITE_ERROR):
                begun = bool(answer.status)
                raise blamed(
                    curl, error.code, self.proxy, hop.url, begun=begun
                ) from None
        except Exception as error:  # noqa: BLE001 - all are made ours
            what = unexpected(error)
            other = FetchError(Blame.UNKNOWN, "unexpected", what)
            raise (exhausted(error) or other) from None
        if not answer.whole:
            # The end of a connection is the end of the headers for libcurl.
            raise self._cut_off()
        cookies.take(self.client.cookies, hop.url, answer.set_cookies)
        forwarded = self.proxy.scheme in {"http", "https"}
        if forwarded and urlsplit(hop.url).scheme == "http":
            fault = made_by_proxy(answer.status, answer.headers)
            if fault:
                raise fault
        return self._page(hop, answer)

    def _cut_off(self) -> FetchError:
        error = FetchError(
            Blame.UNKNOWN, "broken", f"the connection broke, {Stage.HEAD}"
        )
        return site_s(error) if self.proxy.direct else error

    def _page(self, hop: Hop, answer: Answer) -> Page:
        curl = self.client.curl
        most = cap(self.request, answer.status, answer.headers)
        return Page(
            url=hop.url,
            status=answer.status,
            headers=dict(answer.headers),
            body=bytes(answer.body[:most]),
            truncated=answer.enough,
            elapsed=self.deadline.elapsed,
            wire=int(curl.getinfo(CurlInfo.SIZE_DOWNLOAD_T)),  # type: ignore[arg-type] # a number
            reused=not curl.getinfo(CurlInfo.NUM_CONNECTS),
        )

    def _prepare(self, hop: Hop, answer: Answer) -> None:
        curl = self.client.curl
        curl.reset()
        curl.impersonate(self.impersonate)
        left = max(1, round(self.deadline.left * 1000))
        options = {
            **self.options,
            **self._way(),
            **_method(hop),
            CurlOpt.URL: hop.url.partition("#")[0],
            CurlOpt.HTTPHEADER: self._headers(hop),
            CurlOpt.PROTOCOLS_STR: "http,https",
            CurlOpt.FOLLOWLOCATION: 0,
            CurlOpt.ACCEPT_ENCODING: "gzip, deflate, br, zstd",
            CurlOpt.SUPPRESS_CONNECT_HEADERS: 1,
            CurlOpt.NOSIGNAL: 1,
            CurlOpt.MAXCONNECTS: SITES,
            CurlOpt.TIMEOUT_MS: left,
            CurlOpt.CONNECTTIMEOUT_MS: min(left, round(DIAL_TIMEOUT * 1000)),
            CurlOpt.HEADERFUNCTION: answer.head,
            CurlOpt.WRITEFUNCTION: answer.more,
            CurlOpt.FRESH_CONNECT: int(hop.method not in _TWICE_IS_ONCE),
        }
        if place := self._pinned(hop.url):
            options[CurlOpt.RESOLVE] = [place]
        for option, value in options.items():
            curl.setopt(option, value)

    def _way(self) -> dict[CurlOpt, Any]:
        # Said even if there is none: libcurl would ask the environment.
        way: dict[CurlOpt, Any] = {CurlOpt.PROXY: "", CurlOpt.NOPROXY: ""}
        if not self.proxy.direct:
            way[CurlOpt.PROXY] = self.proxy.address
        if self.proxy.username or self.proxy.password:
            way[CurlOpt.PROXYUSERNAME] = self.proxy.username
            way[CurlOpt.PROXYPASSWORD] = self.proxy.password
        return way

    def _pinned(self, url: str) -> str:
        """Where a name leads that is looked up here: judged, and then held to."""
        if not (self.proxy.direct or self.proxy.scheme == "socks5"):
            return ""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        try:
            found = look_up(host, port, of=sites())
        except (socket.gaierror, TimeoutError):
            error = FetchError(Blame.TARGET, "connect", "the site's name leads nowhere")
            raise (site_s(error) if self.proxy.direct else error) from None
        address = str(self.guard.choose(host, found)[0][4][0])
        return f"+{host}:{port}:{f'[{address}]' if ':' in address else address}"

    def _headers(self, hop: Hop) -> list[bytes]:
        held = dict(hop.headers)
        if not any(name.lower() == "cookie" for name in held):
            held["Cookie"] = cookies.header(self.client.cookies, hop.url)
        lines = [f"{name}: {value}" for name, value in held.items() if value]
        if hop.body is not None and "content-type" not in map(str.lower, held):
            lines.append("Content-Type:")
        # It would wait a second for leave to send a larger body.
        return [line.encode("latin-1") for line in (*lines, "Expect:")]


def _method(hop: Hop) -> dict[CurlOpt, Any]:
    if hop.method == "HEAD":
        return {CurlOpt.NOBODY: 1}
    if hop.body is None and hop.method != "POST":
        return {CurlOpt.CUSTOMREQUEST: hop.method}
    body = hop.body or b""
    return {
        CurlOpt.POSTFIELDS: body,
        CurlOpt.POSTFIELDSIZE_LARGE: len(body),
        CurlOpt.CUSTOMREQUEST: hop.method,
    }
