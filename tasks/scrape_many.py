"""Many pages of one session, one after the other over one kept connection."""

import time
from typing import Any, Final

import structlog

from limpet.errors import (
    AddressRefused,
    ArtifactTooLarge,
    DomainBusy,
    ExtractionFailed,
    FetchError,
    JobFailed,
    LeaseLost,
    LimpetError,
    RobotsRefused,
    SessionLost,
    StateTooLarge,
    StoreUnavailable,
    WorkerExhausted,
)
from limpet.jobs import ScrapeManyJob
from limpet.jobs.fetch import IDEMPOTENT
from limpet.names import SCRAPE_MANY
from limpet.settings import settings
from tasks import idempotency, interruption, runtime
from tasks.answers import Answer, answer
from tasks.celery import app
from tasks.journey import Journey
from tasks.ledger import Ledger
from tasks.retry import OTHER_WAIT, History, backoff, curable, tried
from tasks.running import JobTask, run

#: Pages that are told of in one go, and seconds between: what a worker that dies has
#: to do again.
_TOLD: Final = 25
_EVERY: Final = 1.0
#: Seconds until its state is shown again when that could not be done: Celery tries for
#: 20 s, and a page should not have to wait for that.
_BLIND: Final = 120.0
#: Seconds that a job waits where it is for a site's limit, or before another try of a
#: page; for longer, it lets others have its place.
_PATIENCE: Final = 5.0
#: What ends with a page, and leaves the rest of the job as it was.
_OF_A_PAGE: Final = (
    AddressRefused,
    ArtifactTooLarge,
    ExtractionFailed,
    RobotsRefused,
)

log = structlog.get_logger(__name__)


@app.task(name=SCRAPE_MANY, base=JobTask, bind=True)
def scrape_many(self: JobTask, /, *args: object, **kwargs: object) -> dict[str, Any]:
    """Fetch many pages; `ScrapeManyJob` says what may be asked for.

    Returns ``pages``, an object for each URL in its order: ``item``, ``url``, and
    either ``status``, ``data``, ``artifact`` and the like as `scrape` returns them, or
    an ``error``; a page that was left out has neither. Then ``total``, ``done``,
    ``failed``, ``left`` (counts), ``stopped`` (why some were left out, or `None`),
    ``pool`` and ``session``.

    While it runs its state is ``PROGRESS``, with the counts. A worker that dies has
    noted its pages, and the next one goes on from there; so has one that is told to
    end. Who revokes it stops it between two pages.

    Raises:
        InvalidJob: the arguments describe no job.
        JobFailed: not one page was tried to its end; the text says what was met.
    """
    return run(
        self, ScrapeManyJob, lambda job, history: _Run(job, history, self), args, kwargs
    )


class _Run:
    def __init__(self, job: ScrapeManyJob, history: History, task: JobTask) -> None:
        self._job, self._task, self._history = job, task, history
        self._id = str(task.request.id)
        self._ledger = Ledger(job, self._id)
        self._journey = Journey(job, history)
        # A page that cannot be asked for twice is not told of late.
        self._batch = _TOLD if job.method in IDEMPOTENT else 1
        self._written = self._show_at = 0.0
        self._came = False

    @property
    def proxy(self) -> str:
        return self._journey.proxy

    @property
    def ms(self) -> int:
        return self._journey.ms

    @property
    def sent(self) -> bool:
        """Say no: what was sent is noted, and not sent again."""
        return False

    @property
    def fetched(self) -> bool:
        return self._came or self._ledger.unwritten > 0

    @property
    def history(self) -> History:
        """What the job has met since its last page."""
        return self._history.anew() if self._ledger.grown else self._history

    def result(self) -> dict[str, Any]:
        self._ledger.load()
        stopped = None
        try:
            self._visit_all()
        except (LeaseLost, SessionLost, StateTooLarge) as error:
            if _passes(error, alive=self._journey.alive):
                raise
            stopped = str(error)
            log.warning("session_lost", task_id=self._id, reason=stopped)
        finally:
            self._end()
        if stopped and not self._ledger:
            raise JobFailed(stopped)
        return self._whole(stopped)

    def salvage(self, reason: str) -> dict[str, Any] | None:
        """Return the pages that there are, *reason* says why there are no more."""
        return self._whole(reason) if self._ledger else None

    def summary(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return the counts; the pages are in the result."""
        return {name: part for name, part in result.items() if name != "pages"}

    def _visit_all(self) -> None:
        left = (url for n, url in enumerate(self._job.urls) if n not in self._ledger)
        if (first_url := next(left, None)) is None:
            return
        self._journey.begin(first_url)
        # A copy of this job may have gone on until it gave the session back.
        self._ledger.load()
        first = True
        for item, url in enumerate(self._job.urls):
            if item in self._ledger:
                continue
            if not first:
                self._wait(self._job.delay)
            first = False
            self._visit(item, url)
            self._tell()

    def _visit(self, item: int, url: str) -> None:
        """Enter what became of one page."""
        met: list[str] = []
        try:
            found = self._page(item, url, met)
        except _OF_A_PAGE as error:
            line = self._line(error) if self._came else str(error)
            self._ledger.fail(item, "; ".join([*met, line]))
        except (StoreUnavailable, WorkerExhausted) as error:
            out = isinstance(error, WorkerExhausted) and self._journey.sent
            if not (self._came or out) or self._job.method in IDEMPOTENT:
                raise
            what = f"it may have arrived: no {self._job.method} is sent twice"
            self._ledger.fail(item, "; ".join([*met, self._line(error), what]))
        except FetchError:
            self._ledger.fail(item, "; ".join(met))
            if not self._journey.alive:
                name = self._job.session or ""
                raise SessionLost(self._job.pool, name, None, "ended") from None
        else:
            self._ledger.add(item, found)
        self._came = False

    def _page(self, item: int, url: str, met: list[str]) -> Answer:
        """Have the page, as often as it takes; *met* gets a line a failure."""
        waited = 0.0
        while True:
            try:
                runtime.stores().ready(self._job.store)
                lease, page = self._journey.visit(url)
                self._came = True
                if page.block:
                    raise page.block.error()
                return answer(self._job, lease, page, task=self._id, item=item)
            except FetchError as error:
                self._came = False
                met.append(self._line(error))
                if self._is_last(error, len(met)):
                    raise
                self._wait(min(_PATIENCE, backoff(len(met), OTHER_WAIT)))
            except DomainBusy as error:
                if error.retry_after > _PATIENCE or waited > self._journey.hold:
                    raise
                waited += error.retry_after
                self._wait(error.retry_after)

    def _line(self, error: LimpetError) -> str:
        return tried(error, self.proxy, self.ms, fetched=self._came)

    def _is_last(self, error: FetchError, tries: int) -> bool:
        again = curable(error, self._job, sent=self._journey.sent)
        most = settings().job_max_tries
        return not (again and tries < most and self._journey.alive)

    def _wait(self, seconds: float) -> None:
        interruption.check(self._id)
        if seconds:
            self._journey.rest(seconds)
        interruption.wait(self._id, seconds)

    def _tell(self) -> None:
        """Now and then, write down what was done; the lease is held for longer."""
        now = time.monotonic()
        if self._ledger.unwritten >= self._batch or now - self._written > _EVERY:
            self._written = now
            self._ledger.write()
            self._journey.tell()
            # It may run for longer than a claim on its key lasts.
            idempotency.claim_for(self._job, self._id)
        if now > self._show_at:
            shown = self._task.show(self._ledger.counts())
            self._show_at = now + (_EVERY if shown else _BLIND)

    def _end(self) -> None:
        """Write down the rest and let the session go, whatever has happened."""
        try:
            self._ledger.write()
        finally:
            try:
                self._journey.end()
            except LimpetError as error:
                log.warning("lease_not_ended", task_id=self._id, reason=str(error))

    def _whole(self, stopped: str | None) -> dict[str, Any]:
        self._ledger.close()
        counts = self._ledger.counts()
        log.info("pages", task_id=self._id, pool=self._job.pool, **counts)
        return self._ledger.result(stopped)


def _passes(error: LimpetError, *, alive: bool) -> bool:
    """Whether the session may be there again for another run."""
    if isinstance(error, SessionLost):
        return error.retry_after is not None
    # A lease that was late: by now the session is somebody else's, or free.
    return isinstance(error, LeaseLost) and alive
