"""What robots.txt allows (RFC 9309), known by all workers together."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import structlog
from protego import Protego

from limpet.errors import Blame, DomainBusy, FetchError, RobotsRefused
from politeness import DomainLimits
from politeness.limits import domain_of
from politeness.store import RobotsStore
from sessions import Lease
from tasks.fetching import Fetcher, Request

#: RFC 9309, 2.5: at least so much of a file has to be read.
MAX_BYTES: Final = 500 * 1024
#: RFC 9309, 2.3.1.2: so many redirects have to be followed.
MAX_REDIRECTS: Final = 5
#: Seconds until a site that could not give its file is asked again.
DOWN: Final = 300.0
#: Seconds after which a job looks again whether another has brought the file.
_WAIT: Final = 0.5
#: Sites whose rules one process keeps ready.
_KNOWN: Final = 256

#: Fetches a URL; returns the status after redirects, and the body.
Fetch = Callable[[str], tuple[int, bytes]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Rules:
    file: Protego
    until: float


class Robots:
    """Refuses what a site's robots.txt does not allow; thread-safe."""

    def __init__(
        self,
        store: RobotsStore,
        limits: DomainLimits,
        *,
        user_agent: str,
        ttl: float = 3600,
    ) -> None:
        """A file counts for *ttl* seconds."""
        self._store = store
        self._limits = limits
        self._agent = user_agent
        self._ttl = ttl
        self._known: OrderedDict[str, _Rules] = OrderedDict()
        self._fetching: set[str] = set()
        self._lock = threading.Lock()

    def check(self, url: str, fetch: Fetch, *, user_agent: str | None = None) -> None:
        """Return if *url* may be fetched; *fetch* is called when the file is needed.

        Its Crawl-delay or Request-rate is told to the limits of the domain.

        Raises:
            RobotsRefused: it may not, or there is no telling (the site answers 5xx or
                429, or cannot be reached, and nobody has an older file).
            DomainBusy: another job of this process is fetching the file.
            FetchError: the file could not be fetched, and that may not be the site's
                fault. Nothing is remembered.
            StoreUnavailable: Redis did not do its work.
        """
        agent = user_agent or self._agent
        parts = urlsplit(url)
        if parts.path == "/robots.txt":
            return
        origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()
        file = self._ready(origin) or self._load(origin, fetch, agent)
        if not file.can_fetch(url, agent):
            raise RobotsRefused(domain_of(url), "disallowed")

    def _ready(self, origin: str) -> Protego | None:
        with self._lock:
            known = self._known.get(origin)
            if known is None or known.until <= time.monotonic():
                return None
            self._known.move_to_end(origin)
            return known.file

    def _load(self, origin: str, fetch: Fetch, agent: str) -> Protego:
        body, age, down = self._store.get(origin)
        if body is None or age >= self._ttl:
            old, age = body, 0.0
            body = None if down else self._fetch_alone(origin, fetch)
            if body is None:
                if old is None:
                    raise RobotsRefused(domain_of(origin), "unreachable")
                # Better an old file than none: for as long as the site is not asked.
                body, age = old, max(0.0, self._ttl - DOWN)
        return self._learn(origin, body, self._ttl - age, agent)

    def _learn(self, origin: str, body: bytes, left: float, agent: str) -> Protego:
        file = Protego.parse(body.decode("utf-8-sig", errors="replace"))
        with self._lock:
            self._known[origin] = _Rules(file, time.monotonic() + left)
            self._known.move_to_end(origin)
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        if seconds := _delay(file, agent):
            self._limits.crawl_delay(origin, seconds, keep=self._ttl)
        return file

    def _fetch_alone(self, origin: str, fetch: Fetch) -> bytes | None:
        with self._lock:
            if origin in self._fetching:
                raise DomainBusy(domain_of(origin), _WAIT, "robots")
            self._fetching.add(origin)
        try:
            body = _fetched(f"{origin}/robots.txt", fetch)
        finally:
            with self._lock:
                self._fetching.discard(origin)
        if body is None:
            log.warning("robots_unreachable", domain=domain_of(origin))
            self._store.set_down(origin, DOWN)
        else:
            self._store.put(origin, body)
        return body


def through(fetcher: Fetcher, lease: Lease, *, timeout: float) -> Fetch:
    """Return what `Robots.check` fetches with: the session that wants the page."""

    def fetch(url: str) -> tuple[int, bytes]:
        page = fetcher.fetch(
            lease,
            Request(
                url, timeout=timeout, max_bytes=MAX_BYTES, max_redirects=MAX_REDIRECTS
            ),
        )
        # A challenge in place of the file is no word about what is there.
        if page.block and not 400 <= page.status < 500:  # noqa: PLR2004 - HTTP
            raise page.block.error()
        return page.status, page.body

    return fetch


def _fetched(url: str, fetch: Fetch) -> bytes | None:
    """Return the file, empty where there is none; `None` if there is no telling."""
    try:
        status, body = fetch(url)
    except FetchError as error:
        if error.kind.startswith("redirect"):
            return b""
        if error.blame is Blame.TARGET:
            return None
        raise
    # 429 is a 4xx, but no word about what is there.
    if status >= 500 or status == 429:  # noqa: PLR2004 - HTTP
        return None
    return body[:MAX_BYTES] if 200 <= status < 300 else b""  # noqa: PLR2004 - HTTP


def _delay(file: Protego, agent: str) -> float:
    rate = file.request_rate(agent)
    between = rate.seconds / rate.requests if rate else 0.0
    return max(file.crawl_delay(agent) or 0.0, between)
