"""The task that apps call: one page through one session."""

import base64
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from celery import Task
from w3lib.encoding import html_to_unicode

from limpet.errors import (
    Blame,
    FetchError,
    InvalidJob,
    JobError,
    JobFailed,
    LimpetError,
    NoProxyAvailable,
)
from limpet.names import SCRAPE
from limpet.settings import settings
from proxies import Outcome
from sessions import Lease
from tasks import runtime
from tasks.blame import outcome, unexpected
from tasks.celery import app
from tasks.http import Page
from tasks.job import ScrapeJob
from tasks.retry import History

#: Headers that a result may hold. The rest may be a secret (Set-Cookie) or noise.
SAFE_HEADERS: Final = frozenset(
    {
        "age",
        "cache-control",
        "content-disposition",
        "content-language",
        "content-length",
        "content-type",
        "date",
        "etag",
        "expires",
        "last-modified",
        "link",
        "retry-after",
        "server",
        "vary",
        "x-robots-tag",
    }
)
_TEXT: Final = ("text/", "application/json", "application/xml", "application/xhtml")
_TEXT_ENDS: Final = ("+json", "+xml", "javascript")

log = structlog.get_logger(__name__)


class JobTask(Task[..., Any]):
    """A task whose arguments come from anywhere."""

    abstract = True
    max_retries = None
    throws = (JobError,)
    # Flower shows a job's arguments and result: a query string may be a secret, and
    # a page hold what only its owner may see.
    Request = "tasks.request:Request"
    resultrepr_maxsize = 0

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run; Celery's own fails on an argument that is called ``self``."""
        return self.run(*args, **kwargs)


@app.task(name=SCRAPE, base=JobTask, bind=True)
def scrape(self: JobTask, /, *args: object, **kwargs: object) -> dict[str, Any]:
    """Fetch one page; `ScrapeJob` says what may be asked for.

    Returns the final ``url``, ``status``, safe ``headers``, ``text`` (or, when the
    page is no text, ``body_base64``), ``truncated``, ``bytes``, ``elapsed_ms``,
    ``redirects``, and what served it: ``pool``, ``session`` (`None` for a temporary
    one), ``generation``, ``proxy`` (its id) and ``tries``.

    Raises:
        InvalidJob: the arguments describe no job.
        JobFailed: it could not be done; the text says what each try met.
    """
    try:
        visible = settings().visibility_timeout_seconds
        job = ScrapeJob.parse(args, kwargs, timeout_below=visible)
    except InvalidJob as error:
        log.warning("job_refused", task_id=self.request.id, reason=str(error))
        raise
    history = History.of(self.request.headers)
    attempt = _Attempt(job, history)
    try:
        result = attempt.run()
    except LimpetError as error:
        try:
            history, wait = history.after(error, attempt.proxy, settings())
        except JobFailed as failed:
            log.warning("job_failed", task_id=self.request.id, reason=str(failed))
            raise
        log.info("job_waits", task_id=self.request.id, reason=str(error), seconds=wait)
        raise self.retry(countdown=wait, headers=history.headers()) from None
    except Exception as error:  # noqa: BLE001 - its text may hold a secret
        what = unexpected(error)
        log.error("job_broke", task_id=self.request.id, error=what)  # noqa: TRY400
        raise JobFailed(f"unexpected error: {what}") from None
    return {**result, "tries": len(history.met) + 1}


class _Attempt:
    """One run of a job: lease, fetch, release. *proxy* is known once it is leased."""

    def __init__(self, job: ScrapeJob, history: History) -> None:
        self.job = job
        self.history = history
        self.proxy = ""
        self._manager = runtime.manager(job.pool)
        self._fetcher = runtime.fetcher()

    def run(self) -> dict[str, Any]:
        timeout = self.job.timeout or settings().job_timeout_seconds
        lease = self._acquire(timeout)
        self.proxy = lease.proxy.id
        if lease.moved:
            log.info("session_moved", **_names(lease))
        page = self._fetch(lease, timeout)
        self._release(lease, page)
        parts = urlsplit(page.url)
        log.info(
            "page",
            **_names(lease),
            host=parts.hostname,
            path=parts.path,
            status=page.status,
            bytes=len(page.body),
            ms=round(page.elapsed * 1000),
        )
        return _result(lease, page)

    def _acquire(self, timeout: float) -> Lease:
        try:
            return self._manager.acquire(self.job.session, hold=timeout)
        except NoProxyAvailable as error:
            # A Redis that lost its data, or never had it, is filled from SQL.
            if error.retry_after is not None or not runtime.republish(self.job.pool):
                raise
            return self._manager.acquire(self.job.session, hold=timeout)

    def _fetch(self, lease: Lease, timeout: float) -> Page:
        try:
            return self._fetcher.get(
                lease, self.job.url, timeout=timeout, max_bytes=self.job.max_bytes
            )
        except Exception as error:
            # Nobody knows what is still on its way there: the next job dials anew.
            self._fetcher.drop(lease)
            kind, weight = self._verdict(error, lease)
            self._manager.release(lease, kind, fault=weight)
            raise

    def _verdict(self, error: Exception, lease: Lease) -> tuple[Outcome, float]:
        # Without a proxy there is none to blame.
        if not isinstance(error, FetchError) or lease.proxy.direct:
            return Outcome.NONE, 0.0
        # One broken target, tried again and again, must not cool a proxy down.
        if error.blame is Blame.UNKNOWN and self.history.suspects(lease.proxy.id):
            return Outcome.NONE, 0.0
        return outcome(error)

    def _release(self, lease: Lease, page: Page) -> None:
        try:
            version = self._manager.release(
                lease,
                Outcome.OK,
                elapsed=page.elapsed,
                size=len(page.body),
                url=page.url,
                patch={"cookies": self._fetcher.cookies(lease)},
            )
        except Exception:
            # The cookies here are not those that the next job will find.
            self._fetcher.drop(lease)
            raise
        self._fetcher.keep(lease, version)


def _names(lease: Lease) -> dict[str, Any]:
    return {
        "pool": lease.pool,
        "session": lease.session,
        "generation": lease.generation,
        "proxy": lease.proxy.id,
    }


def _result(lease: Lease, page: Page) -> dict[str, Any]:
    kind = page.headers.get("content-type", "")
    text = body = None
    if _is_text(kind):
        text = html_to_unicode(kind, page.body)[1]
    else:
        body = base64.b64encode(page.body).decode()
    return {
        "url": page.url,
        "status": page.status,
        "headers": {k: v for k, v in page.headers.items() if k in SAFE_HEADERS},
        "text": text,
        "body_base64": body,
        "truncated": page.truncated,
        "bytes": len(page.body),
        "elapsed_ms": round(page.elapsed * 1000),
        "redirects": page.redirects,
        **_names(lease),
        "session": None if lease.temporary else lease.session,
    }


def _is_text(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return not kind or kind.startswith(_TEXT) or kind.endswith(_TEXT_ENDS)
