"""The way of one job to its page in a browser: as `tasks.visits`, with a context."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import structlog

from limpet.errors import LeaseLost, StepFailed, StoreUnavailable
from limpet.jobs import RenderJob
from limpet.settings import settings
from sessions import Lease
from sessions.state import StatePatch
from tasks import runtime
from tasks.blocks import domain_of
from tasks.fetching import Request, as_sent
from tasks.page import Page
from tasks.retry import History
from tasks.visits import Visits, judged

if TYPE_CHECKING:
    from tasks.browser.host import Host
    from tasks.browser.values import Rendered

log = structlog.get_logger(__name__)

#: Seconds that a place at a site is held beyond a page: for a browser that starts, a
#: picture of what went wrong, and the storage.
_BESIDE: Final = 45.0
#: Seconds that a lease is held for, and after which it is renewed: a page may take
#: minutes, and the session of a worker that died is to be free sooner.
LEASE: Final = 20.0
_RENEW: Final = 6.0
#: Seconds for a robots.txt, however long those before it took.
_SHORTEST: Final = 1.0


def asked_by(job: RenderJob) -> Request:
    """Return what is known of the first request of *job*."""
    config = settings()
    # With the stock transport a message must not be held for longer.
    longest = min(config.render_timeout_seconds, config.longest_hold / 2)
    return Request(
        job.url,
        headers=job.headers,
        timeout=job.timeout or longest,
        max_bytes=job.max_bytes or config.render_max_bytes,
        blocks=job.blocks,
    )


class Renders(Visits):
    """Pages in this worker's browser for one run of a job."""

    def __init__(self, job: RenderJob, history: History, host: "Host") -> None:
        super().__init__(job, history, asked_by(job))
        self._render_job, self._host = job, host

    @property
    def hold(self) -> float:
        """Seconds that a place at a site is held for."""
        return super().hold + _BESIDE

    def render(self, lease: Lease, request: Request) -> "Rendered":
        """Do the page; if that raises, `failed` is to end the lease.

        Raises:
            FetchError: the page could not be had; its blame is as of a fetch.
            BrowserFailed: the browser ended.
            InvalidJob: no page opens as the job wants it.
            RobotsRefused, AddressRefused, DomainBusy: as for a fetch.
        """
        from tasks.browser.values import Wish  # noqa: PLC0415 - an extra

        self.sent = False
        config, job = settings(), self._render_job
        wish = Wish(
            job,
            lease,
            lease.state.user_agent or job.user_agent or config.user_agent,
            self.timeout,
            job.step_timeout or config.render_step_timeout_seconds,
            request.max_bytes,
        )
        start = time.monotonic()
        try:
            with self._renewed(lease):
                if job.robots:
                    self._ask_for_all(lease, request)
                    start = time.monotonic()
                rendered = self._host.visit(wish)
        finally:
            self.ms = round((time.monotonic() - start) * 1000)
        self.sent = rendered.acted
        if rendered.error and not isinstance(rendered.error, StepFailed):
            self._host.drop(rendered)
            raise rendered.error
        return rendered

    def done(self, lease: Lease, rendered: "Rendered") -> Page:
        """End the lease after a page, and keep what the session has got from it.

        Returns the page, marked if it is a block. Raises as `SessionManager.release`.
        """
        page = runtime.blocks().judge(rendered.page, self._job.blocks)
        kind, pause, ban = judged(lease, page)
        try:
            version = self._manager.release(
                lease,
                kind,
                domain=domain_of(page.url or self._render_job.url),
                size=rendered.traffic.received,
                url=page.url,
                ban=ban,
                patch=self._patch(lease, rendered),
                rendered=rendered.times["total_ms"] / 1000,
            )
        except Exception:
            self._host.drop(rendered)
            raise
        if page.block or lease.temporary or rendered.cookies is None:
            self._host.drop(rendered)
        else:
            self._host.keep(rendered, lease, version)
        if pause:
            runtime.limits().pause(page.url, pause)
        return page

    def _ask_for_all(self, lease: Lease, request: Request) -> None:
        """Ask for each page that the job names, before the first one is opened."""
        steps = (step.url for step in self._render_job.steps if step.do == "goto")
        until = time.monotonic() + self.timeout
        for url in dict.fromkeys((request.address, *map(as_sent, steps))):
            runtime.guard().judge(url)
            within = max(_SHORTEST, until - time.monotonic())
            self._ask_robots(lease, request, url, within=within)

    @contextmanager
    def _renewed(self, lease: Lease) -> Iterator[None]:
        """Hold the lease for as long as this takes."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(_RENEW):
                try:
                    self._manager.renew(lease, hold=LEASE)
                except LeaseLost:
                    return  # its end will say so
                except StoreUnavailable as error:
                    log.warning("lease_not_renewed", reason=str(error))

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _patch(self, lease: Lease, rendered: "Rendered") -> StatePatch:
        patch: StatePatch = {}
        if rendered.cookies is not None:
            patch["cookies"] = rendered.cookies
        if rendered.origins is not None:
            patch["origins"] = rendered.origins
        agent = self._render_job.user_agent
        if agent and not lease.state.user_agent:
            patch["user_agent"] = agent
        return patch
