"""A job that was sent: how it does, and what it brought."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isnan
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from limpet.client.outcomes import Outcome, outcome
from limpet.errors import InvalidJob, JobCancelled, JobFailed, JobUnfinished, ResultLost

if TYPE_CHECKING:
    from limpet.client.line import Line

#: Seconds between two looks at a result: a tenth of the time that it has taken so far,
#: in these bounds. A page takes a quarter of a second, a batch may take days.
LOOKS: Final = (0.01, 0.5)
ENDED: Final = frozenset({"SUCCESS", "FAILURE", "REVOKED"})

_Found_co = TypeVar("_Found_co", bound=Outcome, covariant=True)


@dataclass(frozen=True, slots=True)
class Progress:
    """How many pages a job has, how many were fetched, could not be, and wait."""

    total: int
    done: int
    failed: int
    left: int

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Self:
        """Read the counts of a state or of a result."""
        return cls(*(int(found[name]) for name in ("total", "done", "failed", "left")))


class Handle(Generic[_Found_co]):
    """One job; any number of threads may use it."""

    def __init__(self, job_id: str, line: "Callable[[], Line]") -> None:
        self.id = job_id
        self._line = line

    def __repr__(self) -> str:
        return f"Handle({self.id!r})"

    @property
    def state(self) -> str:
        """The job's state, in Celery's words.

        ``PENDING`` (no worker has begun it, or nothing is known of it), ``STARTED``,
        ``PROGRESS`` (many pages), ``RETRY``, ``SUCCESS``, ``FAILURE``, ``REVOKED``.
        """
        return str(self._look()["status"])

    @property
    def progress(self) -> Progress | None:
        """How far a job of many pages is; `None` before its first page, or of one."""
        meta = self._look()
        found = meta["result"]
        counted = meta["status"] in {"PROGRESS", "SUCCESS"} and isinstance(found, dict)
        return Progress.read(found) if counted and "total" in found else None

    def get(self, timeout: float | None = None) -> _Found_co:
        """Wait until the job is over and return what it brought.

        *timeout* is in seconds; without one this waits for as long as it takes. A
        result is kept for an hour after its job has ended.

        Raises:
            InvalidJob: the worker found a wrong field, or *timeout* is none.
            JobFailed: the job could not be done; the text says what each try met.
            JobCancelled: it was cancelled.
            JobUnfinished: it was not done in time; the text says its state.
            ResultLost: it was a duplicate of one whose result is not kept any more.
            StoreUnavailable: the result backend cannot be reached.
        """
        job, wait = self.id, Wait(timeout)
        while True:
            meta = self._line().look([job])[job]
            if meta["status"] in ENDED:
                result = brought(meta)
                first = result.get("duplicate_of")
                if first is None or result.keys() & {"total", "status"}:
                    found: Any = outcome(self.id, result)
                    return found  # type: ignore[no-any-return] # the job says which
                if result["state"] == "done":
                    raise ResultLost(first)
                job = first  # that one runs, and this one brings nothing
            wait.more(job, meta["status"])

    def cancel(self) -> int:
        """Have the job not run, if it has not begun; return how many workers heard.

        A worker that holds it or gets it then drops it, and its state becomes
        ``REVOKED``. A page that is being fetched is fetched; a job of many pages, or
        one that waits to be tried again, ends before its next one.
        Workers forget what they have heard when they end. With 0 nobody has heard, and
        the job will run. Takes a second, in which workers answer.

        Raises:
            StoreUnavailable: the broker cannot be reached.
        """
        return self._line().cancel([self.id])

    def _look(self) -> dict[str, Any]:
        return self._line().look([self.id])[self.id]


class Wait:
    """Waits between looks, the longer the longer it takes, until time is up."""

    def __init__(self, timeout: float | None) -> None:
        number = isinstance(timeout, int | float) and not isnan(timeout)
        if not (timeout is None or number):
            raise InvalidJob("timeout: must be a number of seconds, or None")
        self._start = time.monotonic()
        self._timeout = inf if timeout is None else timeout

    def more(self, job: str, state: str) -> None:
        """Sleep for a while.

        Raises:
            JobUnfinished: there is no time left.
        """
        waited = time.monotonic() - self._start
        if waited >= self._timeout:
            raise JobUnfinished(job, state, waited)
        least, most = LOOKS
        time.sleep(min(max(waited / 10, least), most, self._timeout - waited))


def brought(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of a job that has ended.

    Raises:
        InvalidJob, JobFailed, JobCancelled: it brought none.
    """
    result = meta["result"]
    if meta["status"] == "SUCCESS":
        found: dict[str, Any] = result
        return found
    if meta["status"] == "REVOKED":
        expired = "expired" in getattr(result, "args", ())
        ended = "has expired before a worker began it" if expired else "was cancelled"
        raise JobCancelled(f"the job {ended}")
    if isinstance(result, InvalidJob):
        raise InvalidJob(*result.args)
    name = "" if isinstance(result, JobFailed) else f"{type(result).__name__}: "
    raise JobFailed(f"{name}{result}")
