"""Sending jobs, checked before they leave.

Celery, pydantic and the models of jobs are imported when the first job is sent: an app
that enqueues now and then should start fast.
"""

# ruff: noqa: PLC0415 - see above
import os
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self, cast
from uuid import uuid4

from limpet.client.batch import Batch
from limpet.client.handle import Handle
from limpet.client.outcomes import ManyPages, Outcome, Page, RenderedPage
from limpet.errors import ConfigurationError, InvalidJob
from limpet.names import RENDER, RENDER_QUEUE, SCRAPE, SCRAPE_MANY, SCRAPE_QUEUE

if TYPE_CHECKING:
    from limpet.client.line import Line
    from limpet.jobs import Job

#: What a job, or a batch, may be called: it goes into keys and into pages.
_ID: Final = r"[A-Za-z0-9_.:-]{1,100}"
_ID_SAYS: Final = "must be 1 to 100 of the characters a-z A-Z 0-9 _ . : -"
_MOST_URGENT, _LEAST_URGENT = 0, 9


class Limpet:
    """Jobs of one broker; thread-safe, and good after a fork.

    Nothing is dialled until it is needed. A broker or a backend that is away is
    `StoreUnavailable` after some seconds, whatever it is that is done.
    """

    def __init__(
        self,
        broker_url: str,
        result_backend: str | None = None,
        *,
        sentinel_master: str = "mymaster",
    ) -> None:
        """Give the URLs as the workers have them; results are in the broker, if unset.

        A broker that is no Redis keeps none: then jobs are sent, and not waited for.
        *sentinel_master* counts for ``sentinel://`` alone.

        Raises:
            ConfigurationError: names what is no URL. One that is, and that Celery
                cannot use, is told of when it is first used.
        """
        _check_text("broker_url", broker_url)
        _check_text("sentinel_master", sentinel_master)
        if result_backend is not None:
            _check_text("result_backend", result_backend)
        keeps = broker_url.startswith(("redis", "sentinel"))
        kept = broker_url if keeps else "rpc://"
        results = kept if result_backend is None else result_backend
        self._urls = (broker_url, results, sentinel_master)
        self._lock = threading.Lock()
        self._made: tuple[int, Line] | None = None

    def __repr__(self) -> str:
        return "Limpet(…)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; what is used afterwards opens new ones."""
        with self._lock:
            made, self._made = self._made, None
        if made and made[0] == os.getpid():
            made[1].close()

    def scrape(
        self,
        url: str,
        *,
        priority: int | None = None,
        task_id: str | None = None,
        **fields: Any,
    ) -> Handle[Page]:
        """Enqueue one page; *fields* are those of `limpet.jobs.ScrapeJob`.

        Of the jobs that wait, those with *priority* 0 come first, and those with 9
        last; neighbours share a place: 0 to 2, 3 to 5, 6 to 8, 9. A job that says
        nothing has 0. (RabbitMQ takes no notice.) A *task_id* of your own names the
        job; sent twice, it may be done twice (`idempotency_key` sees to that).

        Raises:
            InvalidJob: names each wrong field and what is allowed; nothing was sent.
            StoreUnavailable: the broker cannot be reached.
        """
        job = {"url": url, **fields}
        return cast("Handle[Page]", self._send(SCRAPE, job, priority, task_id))

    def scrape_many(
        self,
        urls: Iterable[str],
        *,
        priority: int | None = None,
        task_id: str | None = None,
        **fields: Any,
    ) -> Handle[ManyPages]:
        """Enqueue up to 1,000 pages of one session, as `limpet.jobs.ScrapeManyJob`.

        Sent twice with the same *task_id*, a page that is done is not fetched again.
        The rest is as for `scrape`.

        Raises:
            InvalidJob: names each wrong field and what is allowed; nothing was sent.
            StoreUnavailable: the broker cannot be reached.
        """
        job = {"urls": _listed(urls), **fields}
        return cast(
            "Handle[ManyPages]", self._send(SCRAPE_MANY, job, priority, task_id)
        )

    def render(
        self,
        url: str,
        *,
        priority: int | None = None,
        task_id: str | None = None,
        **fields: Any,
    ) -> Handle[RenderedPage]:
        """Enqueue a page in a browser; *fields* are those of `limpet.jobs.RenderJob`.

        The rest is as for `scrape`.

        Raises:
            InvalidJob: names each wrong field and what is allowed; nothing was sent.
            StoreUnavailable: the broker cannot be reached.
        """
        job = {"url": url, **fields}
        return cast("Handle[RenderedPage]", self._send(RENDER, job, priority, task_id))

    def job(self, job_id: str) -> Handle[Outcome]:
        """Return the job *job_id*, sent by whomever.

        Nobody is asked whether it is there: one that is unknown is ``PENDING``.
        """
        return Handle(_named("job_id", job_id), self._line)

    def scrape_batch(
        self,
        urls: Iterable[str],
        *,
        sessions: int = 20,
        prefix: str | None = None,
        priority: int | None = None,
        batch_id: str | None = None,
        **fields: Any,
    ) -> Batch:
        """Enqueue any number of pages, split over *sessions*.

        Each session has its part of the URLs, in their order, as jobs of up to 1,000.
        Sessions are called *prefix*, or the batch's id, and a number. *fields* are
        those of `limpet.jobs.ScrapeManyJob`; unless *max_age* is among them, a job may
        wait and be tried for as long as all pages of its session might take, an hour at
        least and seven days at most.

        With the *batch_id* of a batch that was sent before, and the same URLs, what has
        not been done is sent again, and what is done is not fetched again. So is a
        batch resumed whose results are not kept any more.

        Raises:
            InvalidJob: names each wrong field and what is allowed; nothing was sent.
            StoreUnavailable: the broker or the result backend cannot be reached.
                Part of it may have been sent: send it again with its *batch_id*.
        """
        from limpet.client.sending import plan, send

        new = uuid4().hex[:12]
        name = _named("batch_id", new if batch_id is None else batch_id)
        planned = plan(name, _listed(urls), sessions=sessions, prefix=prefix, **fields)
        jobs = send(self._line(), name, planned, priority=_priority(priority))
        return Batch(name, jobs, self._line)

    def batch(self, batch_id: str) -> Batch:
        """Return the batch *batch_id*, sent by whomever within eight days.

        Raises:
            NoSuchBatch: nothing is known of it.
            StoreUnavailable: the result backend cannot be reached.
        """
        return Batch.of(_named("batch_id", batch_id), self._line)

    def _send(
        self,
        task: str,
        fields: Mapping[str, Any],
        priority: int | None,
        task_id: str | None,
    ) -> Handle[Outcome]:
        from limpet.client.line import Letter
        from limpet.jobs import RenderJob, ScrapeJob, ScrapeManyJob

        kinds: dict[str, type[Job]] = {
            SCRAPE: ScrapeJob,
            SCRAPE_MANY: ScrapeManyJob,
            RENDER: RenderJob,
        }
        job = kinds[task].parse((), fields)
        name = _named("task_id", str(uuid4()) if task_id is None else task_id)
        queue = RENDER_QUEUE if task == RENDER else SCRAPE_QUEUE
        self._line().send(Letter(task, name, job.sent, _priority(priority), queue))
        return Handle(name, self._line)

    def _line(self) -> "Line":
        with self._lock:
            # A child process has connections of its own.
            if self._made is None or self._made[0] != os.getpid():
                from limpet.client.line import Line

                self._made = os.getpid(), Line(*self._urls)
            return self._made[1]


def _check_text(field: str, value: object) -> None:
    if not (isinstance(value, str) and value):
        raise ConfigurationError(f"{field}: must be a text that is not empty")


def _named(field: str, name: object) -> str:
    import re

    if not (isinstance(name, str) and re.fullmatch(_ID, name)):
        raise InvalidJob(f"{field}: {_ID_SAYS}")
    return name


def _listed(urls: Iterable[str]) -> list[str]:
    if isinstance(urls, str | bytes):
        raise InvalidJob("urls: must be a list of URLs, not one of them")
    if not isinstance(urls, Iterable):
        raise InvalidJob("urls: must be a list of URLs")
    return list(urls)


def _priority(number: int | None) -> int | None:
    whole = isinstance(number, int) and not isinstance(number, bool)
    if number is None or (whole and _MOST_URGENT <= number <= _LEAST_URGENT):
        return number
    raise InvalidJob("priority: must be from 0 (most urgent) to 9")
