"""Limits per domain, held by all workers together.

A domain is the host of a URL, or the parent of it that ``LIMPET_DOMAIN_LIMITS`` lists:
all subdomains of that one share its limits.
"""

import random
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

import structlog
from redis import Redis

from limpet.errors import DomainBusy, FetchError, StoreUnavailable
from limpet.politeness_settings import DomainLimit, PolitenessSettings
from politeness.store import DomainStore

#: Seconds that a worker believes that a domain without limits was not told to pause:
#: it is spared a trip to Redis for every page.
FREE: Final = 1.0
#: Domains that a worker remembers so.
_KNOWN: Final = 10_000
#: Longest wait that is told, in seconds: a job looks again before it is forgotten.
_LONGEST: Final = 60.0
#: Seconds that a slot outlives the time it was asked for.
_MARGIN: Final = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Slot:
    """One request that may be sent; *nonce* is "" where nobody counts."""

    domain: str
    nonce: str = ""
    turns: tuple[str, str] = ("", "")


class DomainLimits:
    """Takes and gives slots; thread-safe."""

    def __init__(
        self,
        store: DomainStore,
        *,
        default: DomainLimit | None = None,
        domains: Mapping[str, DomainLimit] | None = None,
        jitter: float = 0,
        longest_pause: float = 600,
        longest_delay: float = 60,
    ) -> None:
        """*longest_pause* and *longest_delay* bound what sites ask for, in seconds."""
        self._store = store
        self._default = default or DomainLimit()
        self._domains = dict(domains or {})
        self._jitter = jitter
        self._longest_pause = longest_pause
        self._longest_delay = longest_delay
        self._free: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, url: str, *, hold: float) -> Slot:
        """Take a slot for a request that ends within *hold* seconds.

        Raises:
            DomainBusy: not now; it says when to come again.
            StoreUnavailable: Redis did not do its work.
        """
        domain, limit = self.limit_of(url)
        if self._is_free(domain):
            return Slot(domain)
        nonce = secrets.token_hex(8)
        between = 1000 / limit.rate if limit.rate else 0
        spread = self._jitter * random.random()  # noqa: S311 - spreads load
        options = [round((hold + _MARGIN) * 1000), between, limit.burst]
        options += [limit.concurrency, round(_LONGEST * 1000), spread]
        status, *found = self._store.take(domain, nonce, options)
        if status == b"F":
            self._set_free(domain)
            return Slot(domain)
        if status == b"W":
            raise DomainBusy(domain, found[0] / 1000, found[1].decode())
        return Slot(domain, nonce, (found[0].decode(), found[1].decode()))

    def give(self, slot: Slot, *, used: bool = True) -> None:
        """Give *slot* back; if no request was sent, its turn too. Safe to repeat.

        A slot that Redis does not take now frees itself when its time is over.
        """
        if not slot.nonce:
            return
        try:
            turns = ("", "") if used else slot.turns
            self._store.give(slot.domain, slot.nonce, turns)
        except StoreUnavailable as error:
            log.warning("slot_not_given", domain=slot.domain, reason=str(error))

    @contextmanager
    def slot(self, url: str, *, hold: float) -> Iterator[Slot]:
        """Hold a slot as long as the block runs; see `take`.

        When the block ends with an error of ours other than `FetchError`, no request
        was sent, and nobody has to wait for it.
        """
        slot = self.take(url, hold=hold)
        try:
            yield slot
        except BaseException as error:
            self.give(slot, used=isinstance(error, FetchError))
            raise
        self.give(slot)

    def pause(self, url: str, seconds: float) -> None:
        """Let no worker ask the domain for *seconds*, as Retry-After wants it."""
        domain, _ = self.limit_of(url)
        seconds = min(seconds, self._longest_pause)
        if seconds > 0:
            self._store.pause(domain, seconds)
            self._forget(domain)

    def crawl_delay(self, url: str, seconds: float, *, keep: float) -> None:
        """Let *seconds* pass between two requests, for *keep* seconds from now on."""
        domain, _ = self.limit_of(url)
        seconds = min(seconds, self._longest_delay)
        self._store.crawl_delay(domain, seconds, keep=keep)
        self._forget(domain)

    def limit_of(self, url: str) -> tuple[str, DomainLimit]:
        """Return what *url* is counted under, and the limit there."""
        host = domain_of(url)
        labels = host.split(".")
        for start in range(len(labels)):
            parent = ".".join(labels[start:])
            if parent in self._domains:
                return parent, self._domains[parent]
        return host, self._default

    def _is_free(self, domain: str) -> bool:
        with self._lock:
            return self._free.get(domain, 0) > time.monotonic()

    def _set_free(self, domain: str) -> None:
        with self._lock:
            if len(self._free) >= _KNOWN:
                self._free.clear()
            self._free[domain] = time.monotonic() + FREE

    def _forget(self, domain: str) -> None:
        with self._lock:
            self._free.pop(domain, None)


def domain_of(url: str) -> str:
    """Return the host of *url* as it goes into keys: lower-case, IDNA, without port."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    with suppress(UnicodeError):
        host = host.encode("idna").decode()
    # No brace: the domain is its keys' hash tag.
    return quote(host, safe=".-_:~")


def open_limits(client: Redis, settings: PolitenessSettings) -> DomainLimits:
    """Return the limits that *settings* describe."""
    options: dict[str, Any] = {
        "default": DomainLimit(
            rate=settings.domain_rate, concurrency=settings.domain_concurrency
        ),
        "domains": settings.domain_limits,
        "jitter": settings.domain_jitter,
        "longest_pause": settings.domain_longest_pause_seconds,
        "longest_delay": settings.domain_longest_crawl_delay_seconds,
    }
    return DomainLimits(DomainStore(client), **options)
