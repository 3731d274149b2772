"""The task that apps call: one page through one session."""

from typing import Any
from urllib.parse import urlsplit

import structlog

from limpet.errors import FetchError
from limpet.jobs import ScrapeJob
from limpet.names import SCRAPE
from sessions import Lease
from tasks import runtime
from tasks.answers import answer, content, headers
from tasks.celery import app
from tasks.page import Page
from tasks.retry import History
from tasks.running import JobTask, run
from tasks.visits import Visits, asked_by, names

log = structlog.get_logger(__name__)


@app.task(name=SCRAPE, base=JobTask, bind=True)
def scrape(self: JobTask, /, *args: object, **kwargs: object) -> dict[str, Any]:
    """Fetch one page; `ScrapeJob` says what may be asked for.

    Returns the final ``url``, ``status``, safe ``headers``, ``truncated``, ``bytes``,
    ``elapsed_ms``, ``redirects``; what served it: ``pool``, ``session`` (`None` for a
    temporary one), ``generation``, ``proxy`` (its id) and ``tries``; ``data`` when it
    had rules for extraction, else the page's ``text`` (or ``body_base64``, when it is
    no text), where ``cut`` says that there was more of it; and ``artifact``, the
    SHA-256 of the body, when that was to be kept.

    Raises:
        InvalidJob: the arguments describe no job.
        JobFailed: it could not be done; the text says what each try met.
    """
    task = str(self.request.id)
    return run(
        self, ScrapeJob, lambda job, history: _Run(job, history, task), args, kwargs
    )


class _Run:
    def __init__(self, job: ScrapeJob, history: History, task: str) -> None:
        self._job, self._task, self.history = job, task, history
        self._visits = Visits(job, history, asked_by(job))
        self.fetched = False

    @property
    def proxy(self) -> str:
        return self._visits.proxy

    @property
    def ms(self) -> int:
        return self._visits.ms

    @property
    def sent(self) -> bool:
        return self._visits.sent

    def result(self) -> dict[str, Any]:
        stores = runtime.stores()
        stores.ready(self._job.store)
        lease, page = self._fetch()
        if page.block:
            raise page.block.error()
        found = answer(self._job, lease, page, task=self._task, item=0)
        stores.keep([found.row] if self._job.store else [], task=self._task)
        shown = {"text": None, "body_base64": None, "cut": False}
        if not self._job.extract:
            shown = content(page)
        return {
            **found.summary,
            **shown,
            "headers": headers(page),
            "pool": lease.pool,
            "session": found.row.session,
            "tries": len(self.history.met) + 1,
        }

    def salvage(self, _reason: str) -> None:
        """Return nothing: a page that could not be had is no page."""

    def summary(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return all but the page itself."""
        left_out = {"text", "body_base64", "headers"}
        return {k: v for k, v in result.items() if k not in left_out}

    def _fetch(self) -> tuple[Lease, Page]:
        request = self._visits.request(self._job.url)
        slot = self._visits.slot(request)
        used = False
        try:
            lease = self._visits.lease(request, hold=self._visits.hold)
            try:
                page = self._visits.fetch(lease, request)
            except Exception as error:
                used = isinstance(error, FetchError) or self._visits.sent
                self._visits.failed(lease, request, error)
                raise
            used = self.fetched = True
            self._visits.release(lease, page)
        finally:
            self._visits.give(slot, used=used)
        parts = urlsplit(page.url)
        log.info(
            "page",
            **names(lease),
            host=parts.hostname,
            path=parts.path,
            status=page.status,
            bytes=len(page.body),
            ms=round(page.elapsed * 1000),
        )
        return lease, page
