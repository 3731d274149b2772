"""How a job runs, whatever it fetches: checked, done once, tried again, told about."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

import structlog
from celery import states
from celery.exceptions import Ignore, Reject

from limpet.errors import (
    InvalidJob,
    InvalidPolicy,
    InvalidSelection,
    JobError,
    JobFailed,
    LimpetError,
    StoreUnavailable,
)
from limpet.jobs import RenderJob, ScrapeJob, ScrapeManyJob, SessionJob
from limpet.names import RENDER, SCRAPE, SCRAPE_MANY
from limpet.settings import settings
from tasks import idempotency, webhook
from tasks.app import CheckedTask
from tasks.backend import passed_on
from tasks.blame import unexpected
from tasks.interruption import Interrupted, Leaving
from tasks.retry import History

#: Seconds until a job that has failed is told of again, when that could not be done.
_TELL_AGAIN = 15.0

#: What the arguments of each task describe.
KINDS: Final[dict[str, type[SessionJob]]] = {
    SCRAPE: ScrapeJob,
    SCRAPE_MANY: ScrapeManyJob,
    RENDER: RenderJob,
}

_Job = TypeVar("_Job", bound=SessionJob)

log = structlog.get_logger(__name__)


class JobTask(CheckedTask):
    """A task whose arguments come from anywhere."""

    abstract = True
    max_retries = None
    throws = (JobError,)
    # Flower shows a job's result: a page may hold what only its owner may see.
    resultrepr_maxsize = 0

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run; Celery's own fails on an argument that is called ``self``."""
        return self.run(*args, **kwargs)

    def later(self, history: History, seconds: float) -> Exception:
        """Send the job anew, to run in so many *seconds*; return what ends this run."""
        headers = history.headers()
        passed_on(str(self.request.id))
        try:
            return self.retry(countdown=seconds, headers=headers, throw=False)
        except Reject:
            # Celery would drop the job. It goes back to where it was taken from.
            return Reject("cannot reach the broker", requeue=True)

    def done_elsewhere(self) -> bool:
        """Whether a copy of this job has succeeded.

        A worker that dies between sending a job anew and acknowledging it leaves two,
        and so does one that was frozen until another one had taken its job.
        """
        result = self.AsyncResult(str(self.request.id))
        return bool(result.state == states.SUCCESS)

    def dropped(
        self, request: Any, *, reason: str, headers: dict[str, Any] | None
    ) -> None:
        """Tell of a job that ends without a run that could; see `dropped`.

        *request* is the worker's, not a run's, *headers* those of its message.
        """
        given = (request.args, request.kwargs)
        dropped(str(request.id), str(self.name), *given, reason, headers)

    def show(self, counts: dict[str, int]) -> bool:
        """Let whoever asks for the job's state know how far it has come.

        Returns whether that was done.
        """
        try:
            self.update_state(state="PROGRESS", meta=counts)
        except Exception as error:  # noqa: BLE001 - each backend has its own
            # Nobody sees it now: no reason to stop.
            log.warning("progress_not_shown", reason=type(error).__name__)
            return False
        return True


class Run(Protocol):
    """One run of a job; *proxy* and *ms* are of its last fetch.

    *fetched* says that a page came of which nothing is kept yet, *history* is what
    another run is to know, and *sent* whether it would send anew what this one sent.
    """

    @property
    def proxy(self) -> str: ...

    @property
    def ms(self) -> int: ...

    @property
    def sent(self) -> bool: ...

    @property
    def fetched(self) -> bool: ...

    @property
    def history(self) -> History: ...

    def result(self) -> dict[str, Any]:
        """Do the job."""

    def salvage(self, reason: str) -> dict[str, Any] | None:
        """Return what there is of a result when the job has failed for *reason*."""

    def summary(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return what a webhook says of *result*."""


def run(
    task: JobTask,
    kind: type[_Job],
    make: Callable[[_Job, History], Run],
    args: Sequence[object],
    kwargs: Mapping[str, Any],
) -> dict[str, Any]:
    """Run a job that *args* and *kwargs* describe, and return its result.

    Raises:
        InvalidJob: they describe none.
        JobFailed: it could not be done; the text says what each try met.
    """
    try:
        job = kind.parse(args, kwargs, timeout_below=settings().longest_hold)
        webhook.check(job.webhook)
    except InvalidJob as error:
        log.warning("job_refused", task_id=task.request.id, reason=str(error))
        raise
    history = History.of(task.request.headers)
    held = _Held(task, job, history)
    if history.failed:
        raise held.give_up(JobFailed(history.failed))
    try:
        return held.run(make)
    except Interrupted as error:
        raise held.end(error) from None
    except InvalidJob as error:
        raise held.give_up(error) from None
    except (InvalidSelection, InvalidPolicy) as error:
        raise held.give_up(InvalidJob(str(error))) from None
    except LimpetError as error:
        return held.again(error)
    except Exception as error:  # noqa: BLE001 - its text may hold a secret
        what = unexpected(error)
        log.error("job_broke", task_id=task.request.id, error=what)  # noqa: TRY400
        return held.over(JobFailed(f"unexpected error: {what}"))


class _Held:
    """A job that this worker has taken."""

    def __init__(self, task: JobTask, job: SessionJob, history: History) -> None:
        self._task, self._job, self._history = task, job, history
        self._id = str(task.request.id)
        self._run: Run | None = None

    def run(self, make: Callable[[Any, History], Run]) -> dict[str, Any]:
        # Celery looks when a message comes again, and not when it was sent anew.
        if self._task.request.retries and self._task.done_elsewhere():
            raise self.leave()
        found = idempotency.claim_for(self._job, self._id)
        if found and not found.first:
            return idempotency.answer(found)
        self._run = make(self._job, self._history)
        return self._done(self._run, self._run.result())

    def again(self, error: LimpetError) -> dict[str, Any]:
        """Wait and run again; return what there is where there is no use in that."""
        run = self._run
        history = run.history if run else self._history
        about: dict[str, Any] = {}
        if run:
            about = {"proxy": run.proxy, "ms": run.ms, "sent": run.sent}
            about["fetched"] = run.fetched
        try:
            after, wait = history.after(error, self._job, settings(), **about)
        except JobFailed as failed:
            return self.over(failed)
        log.info("job_waits", task_id=self._id, reason=str(error), seconds=wait)
        raise self._task.later(after, wait) from None

    def over(self, failed: JobFailed) -> dict[str, Any]:
        """Return what there is of a job that goes no further, or fail."""
        try:
            found = self._run.salvage(str(failed)) if self._run else None
            if self._run and found is not None:
                log.warning("job_stopped", task_id=self._id, reason=str(failed))
                return self._done(self._run, found)
        except StoreUnavailable:
            raise self._task.later(self._history, _TELL_AGAIN) from None
        raise self.give_up(failed) from None

    def give_up(self, error: JobError) -> Exception:
        """Tell who wants to know that it has failed; return what ends this run."""
        log.warning("job_failed", task_id=self._id, reason=str(error))
        try:
            self._failed(str(error))
        except StoreUnavailable:
            # The next run is only to tell.
            after = replace(self._history, failed=str(error))
            return self._task.later(after, _TELL_AGAIN)
        return error

    def end(self, why: Interrupted) -> Exception:
        """Give a job back that is to go on elsewhere, end one that was revoked."""
        if not isinstance(why, Leaving):
            return self.cancel(str(why))
        log.info("job_given_back", task_id=self._id)
        return Reject(str(why), requeue=True)

    def leave(self) -> Exception:
        """Leave a job as it is, which another copy has done."""
        log.info("job_done_elsewhere", task_id=self._id)
        return Ignore()

    def cancel(self, reason: str) -> Exception:
        """End a job that was revoked as Celery ends one that has not begun."""
        log.info("job_cancelled", task_id=self._id)
        try:
            self._failed(reason)
        except StoreUnavailable as error:
            log.warning("not_told", task_id=self._id, reason=str(error))
        request = self._task.request
        self._task.backend.mark_as_revoked(self._id, reason, request=request)
        self._task.send_event(
            "task-revoked", terminated=False, signum=None, expired=False
        )
        return Ignore()

    def _done(self, run: Run, result: dict[str, Any]) -> dict[str, Any]:
        summary = run.summary(result)
        ended = webhook.Ended(
            self._job.pool,
            self._task.name,
            summary=summary,
            again=self._history.again,
        )
        webhook.announce(self._id, self._job.webhook, ended)
        if self._job.idempotency_key is not None:
            key = self._job.idempotency_key
            idempotency.finish(self._job.pool, key, self._id)
        return result

    def _failed(self, reason: str) -> None:
        again = self._history.again
        _tell_failed(self._id, self._task.name, self._job, reason, again)


def dropped(
    job_id: str, task: str, args: Any, kwargs: Any, reason: str, headers: Any
) -> None:
    """Tell of a job that was cancelled, has expired, or that workers died of.

    Does not raise: it is dropped anyway.
    """
    try:
        job = KINDS[task].parse(args, kwargs)
        _tell_failed(job_id, task, job, reason, History.of(headers).again)
    except InvalidJob:
        return  # nobody was promised anything
    except StoreUnavailable as error:
        log.warning("not_told", task_id=job_id, reason=str(error))


def _tell_failed(
    job_id: str, task: str, job: SessionJob, reason: str, again: str
) -> None:
    ended = webhook.Ended(job.pool, task, error=reason, again=again)
    webhook.announce(job_id, job.webhook, ended)
    if job.idempotency_key is not None:
        idempotency.release(job.pool, job.idempotency_key, job_id)
