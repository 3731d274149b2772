"""One lease for many pages: renewed as it goes, told of in one go."""

import time
from contextlib import suppress
from typing import Final

import structlog

from limpet.errors import (
    DomainBusy,
    FetchError,
    LeaseLost,
    LimpetError,
    RobotsRefused,
    StateTooLarge,
    StoreUnavailable,
)
from limpet.jobs import FetchJob
from sessions import Lease
from sessions.operation import Tally
from tasks.fetching import Request
from tasks.page import Page
from tasks.retry import History
from tasks.visits import Visits, asked_by

#: Seconds that a lease is held for beyond a fetch: a body may have to go to a slow
#: store before the next one.
_BETWEEN: Final = 15.0
#: Seconds after which a lease is renewed before it is used again.
_FRESH: Final = 5.0
#: What a fetch ends with before anything was asked of the site.
_UNASKED: Final = (DomainBusy, RobotsRefused)

log = structlog.get_logger(__name__)


class Journey:
    """The pages of one session, one after the other, under one lease while all is well.

    A lease ends with a page that could not be had; the next one may have another proxy.
    """

    def __init__(self, job: FetchJob, history: History) -> None:
        self._visits = Visits(job, history, asked_by(job))
        self._lease: Lease | None = None
        self._held_at = 0.0
        #: The last page of the lease, of which its release tells, and those before.
        self._last: Page | None = None
        self._before = Tally()
        #: Requests that may be made under the lease; `None` for any number.
        self._left: int | None = None
        #: Whether one of them is counted, and not made yet.
        self._counted = False
        #: Whether the session is there: it ends when it met too many errors.
        self.alive = True

    @property
    def proxy(self) -> str:
        return self._visits.proxy

    @property
    def ms(self) -> int:
        return self._visits.ms

    @property
    def sent(self) -> bool:
        return self._visits.sent

    @property
    def hold(self) -> float:
        return self._visits.hold + _BETWEEN

    def begin(self, url: str) -> None:
        """Lease the session before its first page; raises as `Visits.lease`."""
        self._ready(self._visits.request(url))

    def visit(self, url: str) -> tuple[Lease, Page]:
        """Fetch *url*; the lease stays, unless that fails or the page is a block.

        Raises:
            LimpetError: as `Visits.slot`, `Visits.lease` and `Visits.fetch`.
        """
        request = self._visits.request(url)
        slot = self._visits.slot(request)
        used = False
        try:
            lease = self._ready(request)
            try:
                page = self._visits.fetch(lease, request)
            except _UNASKED:
                used = self._visits.sent  # a redirect was
                raise
            except Exception as error:
                used = isinstance(error, FetchError)
                self._failed(request, error)
                raise
            used = True
        finally:
            self._visits.give(slot, used=used)
        self._counted = False
        self._count_last()
        self._last = page
        if page.block:
            self.end()
        return lease, page

    def tell(self, *, wait: float = 0, more: bool = False) -> None:
        """Hold the lease for another page after *wait* seconds, and tell of the last.

        Raises:
            LeaseLost: it has ended; *alive* says whether its session goes on.
            StateTooLarge: the cookies do not fit.
            StoreUnavailable: Redis did not do its work.
        """
        if self._lease is None:
            return
        try:
            self._lease, self._left = self._visits.progress(
                self._lease, self._before, hold=wait + self.hold, more=more
            )
        except LeaseLost:
            lease, self._lease, self._last = self._lease, None, None
            self._before = Tally()
            self.alive = not self._visits.lost(lease)
            raise
        self._before = Tally()
        self._held_at = time.monotonic() + wait

    def rest(self, seconds: float) -> None:
        """See that the lease outlives a wait."""
        if time.monotonic() + seconds - self._held_at > _FRESH:
            self.tell(wait=seconds)

    def end(self) -> None:
        """Let the session go; raises as `tell`."""
        if self._lease is None:
            return
        if self._before.count:
            # The release will say so again.
            with suppress(StateTooLarge, StoreUnavailable):
                self.tell()
        lease, page, self._lease, self._last = self._lease, self._last, None, None
        self._before = Tally()
        if page is None:
            self._visits.give_back(lease)
        else:
            self.alive = self._visits.release(lease, page)

    def _ready(self, request: Request) -> Lease:
        stale = time.monotonic() - self._held_at > _FRESH
        uncounted = self._left is not None and not self._counted
        if self._lease and (stale or uncounted):
            self.tell(more=not self._counted)
            if self._left == 0 and not self._counted:
                # Its requests are used up, or it is to move: the next lease does that.
                self.end()
        if self._lease is None:
            self._lease = self._visits.lease(request, hold=self.hold)
            self._held_at = time.monotonic()
            # How many there are is not known until it is asked.
            self._left = 1
        self._counted = self._left is not None
        return self._lease

    def _failed(self, request: Request, error: Exception) -> None:
        self._counted = False
        self._count_last()
        try:
            if self._before.count:
                self.tell()
        except LimpetError as problem:
            log.warning("progress_not_told", reason=str(problem))
        if self._lease:
            lease, self._lease = self._lease, None
            self._before = Tally()
            self.alive = self._visits.failed(lease, request, error)

    def _count_last(self) -> None:
        if self._last:
            page, self._last = self._last, None
            self._before.add(page.elapsed, len(page.body), page.url)
