"""Any number of pages, as jobs of one group."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from limpet.client.handle import ENDED, Handle, Progress, Wait, brought
from limpet.client.outcomes import ManyPages, PageOutcome, outcome
from limpet.errors import JobError, NoSuchBatch

if TYPE_CHECKING:
    from limpet.client.line import Line

#: States that say how far a job is; a job that is tried again has not lost its pages.
_COUNTED: Final = ENDED | {"PROGRESS"}


@dataclass(frozen=True, slots=True)
class Part:
    """A job of a batch: the index of its first URL, and how many it has."""

    id: str
    first: int
    count: int

    @classmethod
    def read(cls, job_id: str) -> Self:
        """Read what an id says; see `limpet.client.sending`.

        Raises:
            ValueError: it is no id of such a job.
        """
        _, first, count, _ = job_id.rsplit("-", 3)
        return cls(job_id, int(first), int(count))


@dataclass(frozen=True, slots=True)
class BatchProgress(Progress):
    """How many pages, and how many *jobs*, *ended* of them."""

    jobs: int
    ended: int


class Batch:
    """The jobs of many pages; any number of threads may use it.

    Results are kept for an hour after their job has ended. One that was not read by
    then looks as if it waited: send the batch again with its id (`Limpet.scrape_batch`)
    and its job tells what it has done, without fetching it again.
    """

    def __init__(
        self,
        batch_id: str,
        parts: Sequence[Part],
        line: "Callable[[], Line]",
    ) -> None:
        self.id = batch_id
        self._parts, self._line = {part.id: part for part in parts}, line
        self._counts: dict[str, Progress] = {}
        self._ended: set[str] = set()

    @classmethod
    def of(cls, batch_id: str, line: "Callable[[], Line]") -> Self:
        """Return a batch as it was sent.

        Raises:
            NoSuchBatch: nothing is known of it.
            StoreUnavailable: the result backend cannot be reached.
        """
        try:
            parts = [Part.read(job) for job in line().load_batch(batch_id)]
        except ValueError:  # a group of somebody else's
            parts = []
        if not parts:
            raise NoSuchBatch(batch_id)
        return cls(batch_id, parts, line)

    def __repr__(self) -> str:
        return f"Batch({self.id!r}, jobs={len(self._parts)}, pages={len(self)})"

    def __len__(self) -> int:
        """How many pages there are."""
        return sum(part.count for part in self._parts.values())

    @property
    def jobs(self) -> tuple[Handle[ManyPages], ...]:
        """The jobs, each of which is a `scrape_many`."""
        return tuple(Handle(job, self._line) for job in self._parts)

    def progress(self) -> BatchProgress:
        """Return how far all jobs are.

        Pages of a job that has failed are *failed*, those of a cancelled one *left*.

        Raises:
            StoreUnavailable: the result backend cannot be reached.
        """
        self._look([job for job in self._parts if job not in self._ended])
        return self._counted()

    def results(
        self,
        timeout: float | None = None,
        *,
        told: Callable[[BatchProgress], None] | None = None,
    ) -> Iterator[PageOutcome]:
        """Wait for the jobs, and give what became of their pages as they end.

        *timeout* is in seconds and for all of them; without one this goes on for as
        long as it takes. *told* hears how far they are at each look, a tenth of a
        second to half a second apart.

        Raises:
            JobUnfinished: a job was not done in time; the text says its state.
            StoreUnavailable: the result backend cannot be reached.
        """
        waiting, wait = list(self._parts), Wait(timeout)
        while waiting:
            found = self._look(waiting)
            waiting = [job for job in waiting if found[job]["status"] not in ENDED]
            if told:
                told(self._counted())
            for job, meta in found.items():
                if meta["status"] in ENDED:
                    yield from _pages(self._parts[job], meta)
            if waiting:
                wait.more(waiting[0], found[waiting[0]]["status"])

    def cancel(self) -> int:
        """Have jobs that have not begun not run; return how many workers have heard.

        See `Handle.cancel` for what that means. What was done stays to be read.

        Raises:
            StoreUnavailable: the broker or the result backend cannot be reached.
        """
        self.progress()
        waiting = [job for job in self._parts if job not in self._ended]
        return self._line().cancel(waiting) if waiting else 0

    def _look(self, jobs: Sequence[str]) -> dict[str, dict[str, Any]]:
        found = self._line().look(jobs)
        for job, meta in found.items():
            if meta["status"] in _COUNTED or job not in self._counts:
                self._counts[job] = _count(self._parts[job], meta)
            if meta["status"] in ENDED:
                self._ended.add(job)
        return found

    def _counted(self) -> BatchProgress:
        sums: Counter[str] = Counter()
        for one in list(self._counts.values()):
            sums.update(done=one.done, failed=one.failed)
        total = len(self)
        return BatchProgress(
            total,
            sums["done"],
            sums["failed"],
            total - sums["done"] - sums["failed"],
            len(self._parts),
            len(self._ended),
        )


def _count(part: Part, meta: Mapping[str, Any]) -> Progress:
    if meta["status"] in {"PROGRESS", "SUCCESS"}:
        return Progress.read(meta["result"])
    failed = part.count if meta["status"] == "FAILURE" else 0
    return Progress(part.count, 0, failed, part.count - failed)


def _pages(part: Part, meta: Mapping[str, Any]) -> Iterator[PageOutcome]:
    """Give what a job has brought, with the indexes of the batch."""
    try:
        found = outcome(part.id, brought(meta))
    except JobError as error:
        for item in range(part.count):
            index = part.first + item
            yield PageOutcome(index=index, error=str(error), final=False)
        return
    assert isinstance(found, ManyPages)
    for page in found.pages:
        yield replace(page, index=part.first + page.index)
