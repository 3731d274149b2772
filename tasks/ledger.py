"""What has become of the pages of one job: in memory, in Redis, and in SQL."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from limpet.connection import session_redis
from limpet.jobs import ScrapeManyJob
from limpet.settings import settings
from results.notes import NotesStore
from results.page import StoredPage
from tasks import runtime
from tasks.answers import Answer

#: Bytes that all of a result's data may take, as JSON: a result is read in one piece.
DATA_MAX: Final = 4 * 1024 * 1024
#: Seconds that a job may still be delivered again after the last note: when its worker
#: died, or while its message waits.
_LEFT: Final = 3600.0
#: As long as a job that is over may come back, on top of the visibility timeout.
_OVER: Final = 60.0


class Ledger:
    """The pages of a job by item, their place in it.

    Raises `StoreUnavailable` where Redis or the database does not do its work;
    `Cancelled` as `Stores.put`.
    """

    def __init__(self, job: ScrapeManyJob, task: str) -> None:
        config = settings()
        self._job, self._task = job, task
        self._store = NotesStore(session_redis(config), job.pool, task)
        self._keep = (job.max_age or config.job_max_age_seconds) + _LEFT
        self._done = 2 * config.visibility_timeout_seconds + _OVER
        self._pages: dict[int, dict[str, Any]] = {}
        self._fresh: dict[int, str] = {}
        self._rows: list[StoredPage] = []
        self._failed = 0
        self._data = 0
        #: Whether this run has noted something for the next one.
        self.grown = False

    def load(self) -> None:
        """Read what an earlier run has noted."""
        self._pages = self._store.load()
        self._failed = sum("error" in one for one in self._pages.values())
        held = (one.get("data") for one in self._pages.values())
        self._data = sum(len(json.dumps(data)) for data in held if data is not None)

    def __contains__(self, item: int) -> bool:
        return item in self._pages

    def __len__(self) -> int:
        return len(self._pages)

    @property
    def unwritten(self) -> int:
        """How many pages a worker that dies now takes with it."""
        return len(self._fresh)

    def add(self, item: int, found: Answer) -> None:
        """Enter a page that came; data that is too much for the result is left out."""
        page = {"item": item, **found.summary}
        if page["data"] is not None:
            self._data += len(json.dumps(page["data"]))
            if self._data > DATA_MAX:
                page |= {"data": None, "data_left_out": True}
        self._enter(item, page, found.row)

    def fail(self, item: int, error: str) -> None:
        """Enter a page that could not be had."""
        url = self._job.urls[item]
        row = StoredPage(job=self._task, item=item, pool=self._job.pool, url=url)
        row = replace(row, session=self._job.session, error=error)
        self._failed += 1
        self._enter(item, {"item": item, "url": url, "error": error}, row)

    def write(self) -> None:
        """Have the next worker know what is done, should this one die."""
        # Rows first: what is noted is not fetched again.
        if self._rows:
            runtime.stores().keep(self._rows, task=self._task)
            self._rows.clear()
        if self._fresh:
            self._store.add(self._fresh, keep=self._keep)
            self._fresh.clear()
            self.grown = True

    def close(self) -> None:
        """Let the notes go soon: the result has what is in them."""
        self._store.add({}, keep=self._done)

    def counts(self) -> dict[str, int]:
        total, entered = len(self._job.urls), len(self._pages)
        return {
            "total": total,
            "done": entered - self._failed,
            "failed": self._failed,
            "left": total - entered,
        }

    def result(self, stopped: str | None) -> dict[str, Any]:
        """Return all of it; *stopped* says why pages were left out."""
        nothing: Mapping[str, Any] = {}
        pages = [
            self._pages.get(item, nothing) or {"item": item, "url": url}
            for item, url in enumerate(self._job.urls)
        ]
        about = {"pool": self._job.pool, "session": self._job.session}
        return {"pages": pages, **self.counts(), "stopped": stopped, **about}

    def _enter(self, item: int, page: dict[str, Any], row: StoredPage) -> None:
        self._pages[item] = page
        self._fresh[item] = json.dumps(page)
        if self._job.store:
            self._rows.append(row)
