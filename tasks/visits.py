"""The way of one job to its pages: leases, limits, robots.txt, fetches, verdicts."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import structlog

from limpet.errors import (
    Blame,
    DomainBusy,
    FetchError,
    LeaseLost,
    LimpetError,
    NoProxyAvailable,
    WorkerExhausted,
)
from limpet.jobs import FetchJob, SessionJob
from limpet.jobs.fetch import pairs
from limpet.settings import settings
from politeness import Slot
from proxies import Outcome
from sessions import Lease
from sessions.manager import LEASE_MARGIN
from sessions.operation import Tally
from sessions.state import StatePatch
from tasks import choice, deadline, robots, runtime
from tasks.blame import outcome
from tasks.blocks import domain_of
from tasks.fetching import Request
from tasks.page import Page
from tasks.retry import History, may_have_arrived
from tasks.telling import tell_rebound

#: A lease is held for one fetch, and for the robots.txt that may have to come first.
_FETCHES: Final = 2

log = structlog.get_logger(__name__)


class Visits:
    """Pages for one run of a job, each through its session's proxy.

    *proxy* is the last lease's, "" before the first one; *ms* what the last fetch took,
    and *sent* whether the site may have done what that asked for.
    """

    def __init__(self, job: SessionJob, history: History, asked: Request) -> None:
        """*asked* is what all requests of *job* have in common."""
        self._job = job
        self._history = history
        self._manager = runtime.manager(job.pool)
        self._fetcher = runtime.fetcher()
        self._policy = choice.policy(job, self._manager.policy)
        self._selection = choice.selection(job, self._manager.selection)
        self.timeout = asked.timeout
        self._asked = asked
        #: Proxies, and URLs at which they met what may be the site's fault.
        self._suspects: set[tuple[str, str]] = set()
        self.proxy = ""
        self.ms = 0
        self.sent = False
        #: Until when the lease holds at least, by this process's clock.
        self._until = 0.0

    @property
    def hold(self) -> float:
        """Seconds that a lease is held for one page."""
        return self.timeout * (_FETCHES if self._job.robots else 1)

    def request(self, url: str) -> Request:
        """Return what is asked for at *url*."""
        return replace(self._asked, url=url)

    def slot(self, request: Request) -> Slot:
        """Take a turn at the site, to be given back with `give`.

        Raises:
            AddressRefused: no job may go there.
            DomainBusy: not now.
        """
        runtime.guard().judge(request.address)
        return runtime.limits().take(request.url, hold=self.hold)

    def give(self, slot: Slot, *, used: bool) -> None:
        runtime.limits().give(slot, used=used)

    def lease(self, request: Request, *, hold: float) -> Lease:
        """Lease the session; raises what `SessionManager.acquire` does."""
        try:
            lease = self._acquire(request, hold)
        except NoProxyAvailable as error:
            # A Redis that lost its data, or never had it, is filled from SQL.
            if error.retry_after is not None or not runtime.republish(self._job.pool):
                raise
            lease = self._acquire(request, hold)
        self.proxy, self.ms = lease.proxy.id, 0
        if lease.moved:
            log.info("session_moved", **names(lease))
            tell_rebound(lease)
        return lease

    def fetch(self, lease: Lease, request: Request) -> Page:
        """Fetch; when that fails with a `FetchError`, `failed` is to end the lease.

        Raises:
            FetchError: it could not be fetched.
            RobotsRefused: the site does not want it to be.
            AddressRefused: it redirects to where no job may go.
            DomainBusy: not now.
            LeaseLost: it might end before an answer; nothing was asked for.
        """
        self.sent = False
        start = time.monotonic()
        try:
            if self._job.robots:
                self._outlast(lease)
                self._ask_robots(lease, request, request.address)
                request = replace(request, allow=self._allow(lease, request))
                start = time.monotonic()
            self._outlast(lease)
            try:
                page = self._fetcher.fetch(lease, request)
            except (FetchError, WorkerExhausted) as error:
                self.sent = may_have_arrived(error)
                raise
            self.sent = page.block is None
        finally:
            self.ms = round((time.monotonic() - start) * 1000)
        return page

    def progress(
        self, lease: Lease, tally: Tally, *, hold: float, more: bool
    ) -> tuple[Lease, int | None]:
        """Hold the lease for *hold* seconds; see `SessionManager.progress`."""
        patch: StatePatch = {"cookies": self._fetcher.cookies(lease)}
        until = time.monotonic() + hold + LEASE_MARGIN
        held = self._manager.progress(lease, tally, hold=hold, more=more, patch=patch)
        self._until = until
        return held

    def release(self, lease: Lease, page: Page) -> bool:
        """End the lease after *page*; return whether the session is still there.

        A block bans the proxy from the domain, for as long as it says at least; one
        that limits everybody is a pause for all workers instead, and nobody's fault.
        """
        kind, pause, ban = judged(lease, page)
        try:
            version = self._manager.release(
                lease,
                kind,
                domain=domain_of(page.url),
                elapsed=page.elapsed,
                size=len(page.body),
                url=page.url,
                ban=ban,
                patch={"cookies": self._fetcher.cookies(lease)},
            )
        except Exception:
            # The cookies here are not those that the next job will find.
            self._fetcher.drop(lease)
            raise
        self._fetcher.keep(lease, version)
        if pause:
            runtime.limits().pause(page.url, pause)
        return lease.temporary or version >= 0

    def failed(self, lease: Lease, request: Request, error: Exception) -> bool:
        """End the lease with the verdict on its proxy; as `release` otherwise.

        Does not raise: what is to be told is *error*.
        """
        # Nobody knows what is still on its way there: the next job dials anew.
        self._fetcher.drop(lease)
        kind, weight = Outcome.NONE, 0.0
        if isinstance(error, FetchError):
            kind, weight = self._verdict(lease, request, error)
        domain = domain_of(request.url)
        try:
            version = self._manager.release(lease, kind, fault=weight, domain=domain)
        except LimpetError as problem:
            log.warning("lease_not_ended", **names(lease), reason=str(problem))
            return not isinstance(problem, LeaseLost)
        return lease.temporary or version >= 0

    def give_back(self, lease: Lease) -> None:
        """End a lease under which nothing was fetched."""
        try:
            version = self._manager.release(lease, Outcome.NONE)
        except Exception:
            self._fetcher.drop(lease)
            raise
        self._fetcher.keep(lease, version)

    def lost(self, lease: Lease) -> bool:
        """Let go of a lease that was lost; return whether its session is gone too."""
        self._fetcher.drop(lease)
        try:
            # Who closes a session leaves the lease, and the proxy's count, to us.
            gone = self._manager.release(lease, Outcome.NONE) < 0
        except LeaseLost:
            gone = self._manager.get(lease.session) is None
        return gone and not lease.temporary

    def _acquire(self, request: Request, hold: float) -> Lease:
        until = time.monotonic() + hold + LEASE_MARGIN
        lease = self._manager.acquire(
            self._job.session,
            hold=hold,
            policy=self._policy,
            selection=self._selection,
            domain=domain_of(request.url),
        )
        self._until = until
        return lease

    def _outlast(self, lease: Lease) -> None:
        # A process that was stopped goes on as if no time had passed, while the session
        # is somebody else's: what it brings is refused, but the site would see it.
        if time.monotonic() + self.timeout > self._until:
            raise LeaseLost(lease.pool, lease.session)

    def _ask_robots(
        self, lease: Lease, request: Request, url: str, *, within: float = math.inf
    ) -> None:
        agents = (v for k, v in request.headers.items() if k.lower() == "user-agent")
        timeout = min(self.timeout, within)
        fetch = robots.through(self._fetcher, lease, timeout=timeout)
        runtime.robots().check(url, fetch, user_agent=next(agents, None))

    def _allow(self, lease: Lease, request: Request) -> Callable[[str], None]:
        def allow(url: str) -> None:
            # It has answered: what was asked for may have been done.
            self.sent = True
            try:
                left = getattr(deadline.current.get(None), "left", math.inf)
                self._ask_robots(lease, request, url, within=left)
            except DomainBusy:
                # Who waits for a site starts over, which is not for everything.
                what = "another job is fetching the robots.txt"
                raise FetchError(Blame.TARGET, "robots", what) from None

        return allow

    def _verdict(
        self, lease: Lease, request: Request, error: FetchError
    ) -> tuple[Outcome, float]:
        # Without a proxy there is none to blame.
        if lease.proxy.direct:
            return Outcome.NONE, 0.0
        if error.blame is Blame.UNKNOWN:
            # One broken target, tried again and again, must not cool a proxy down.
            suspect = (lease.proxy.id, request.url)
            if suspect in self._suspects or self._history.suspects(lease.proxy.id):
                return Outcome.NONE, 0.0
            self._suspects.add(suspect)
        return outcome(error)


def judged(lease: Lease, page: Page) -> tuple[Outcome, float, float]:
    """What *page* says of its proxy, how long all pause, and how long it is banned."""
    if page.block is None:
        return Outcome.OK, 0.0, 0.0
    wait = page.block.retry_after or 0.0
    if page.block.limits or lease.proxy.direct:
        return Outcome.NONE, wait, 0.0
    return Outcome.BLOCKED, 0.0, wait


def names(lease: Lease) -> dict[str, Any]:
    """Return what logs say of who served a page."""
    return {
        "pool": lease.pool,
        "session": lease.session,
        "generation": lease.generation,
        "proxy": lease.proxy.id,
    }


def asked_by(job: FetchJob) -> Request:
    """Return what all requests of *job* have in common."""
    body, content_type = job.body
    # The job's own word on what it sends holds.
    told = any(name.lower() == "content-type" for name in job.headers)
    return Request(
        "",
        method=job.method,
        headers=job.headers,
        params=tuple(pairs(job.params)),
        body=body,
        content_type="" if told else content_type,
        timeout=job.timeout or settings().job_timeout_seconds,
        max_bytes=job.max_bytes,
        follow=job.max_redirects > 0,
        max_redirects=job.max_redirects,
        blocks=job.blocks,
    )
