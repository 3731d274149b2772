"""What stays of pages, on its way to stores that may be away for a moment.

A page that cannot be kept was fetched for nothing. So a store is asked before a page is
fetched for it, unless it has just taken something, and a write that fails is tried
again where it is.
"""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from limpet import database
from limpet.errors import StoreUnavailable
from limpet.jobs.storing import Store
from results import Artifacts, tables
from results.page import StoredPage
from tasks import interruption
from tasks.page import Page

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: Seconds for which a store that has taken something is believed to be there.
_FRESH: Final = 10.0
#: Seconds before each further try of a write: a lease is held for long enough.
_WAITS: Final = (0.2, 0.5, 1.0, 2.0)
_T = TypeVar("_T")

log = structlog.get_logger(__name__)


class Stores:
    """A process's way to where bodies and rows are kept; for threads.

    *engine* is asked for when it is needed: most jobs keep nothing.
    """

    def __init__(self, artifacts: Artifacts, engine: Callable[[], "Engine"]) -> None:
        self._artifacts = artifacts
        self._engine = engine
        self._taken: dict[str, float] = {}

    def ready(self, store: Store | None) -> None:
        """Return if what a job wants to keep can be kept.

        Raises:
            StoreUnavailable: it cannot.
        """
        if store == "body":
            self.ready_for_files()
        if store:
            self._look("rows", self._check_rows)

    def ready_for_files(self) -> None:
        """Return if files can be kept; raises as `ready`."""
        self._look("bodies", self._artifacts.check)

    def put(self, page: Page, *, task: str) -> str:
        """Keep a page's body; return its SHA-256. Raises as `put_file`."""
        return self.put_file(page.body, page.content_type, task=task)

    def put_file(self, body: bytes, content_type: str, *, task: str) -> str:
        """Keep *body*; return its SHA-256.

        Raises:
            StoreUnavailable: the store did not take it, several times.
            ArtifactTooLarge: it is over the bound.
            Cancelled: the job *task* is not wanted any more.
        """
        return self._patiently(
            "bodies", lambda: self._artifacts.put(body, content_type), task
        )

    def keep(self, rows: Sequence[StoredPage], *, task: str) -> None:
        """Write rows to SQL; raises as `put`."""
        if rows:
            self._patiently("rows", lambda: self._save(rows), task)

    def _save(self, rows: Sequence[StoredPage]) -> None:
        with database.answering():
            tables.save(self._engine(), rows)

    def _check_rows(self) -> None:
        with database.answering():
            tables.check(self._engine())

    def _look(self, store: str, check: Callable[[], Any]) -> None:
        if time.monotonic() - self._taken.get(store, -_FRESH) >= _FRESH:
            check()
            self._taken[store] = time.monotonic()

    def _patiently(self, store: str, write: Callable[[], _T], task: str) -> _T:
        for wait in (*_WAITS, None):
            try:
                done = write()
            except StoreUnavailable as error:
                self._taken.pop(store, None)
                if wait is None:
                    raise
                log.info("store_away", task_id=task, reason=str(error), seconds=wait)
                try:
                    interruption.wait(task, wait)
                except interruption.Leaving:
                    # Given back as it is, the job would be done all over again.
                    raise error from None
            else:
                self._taken[store] = time.monotonic()
                return done
        raise AssertionError  # the last try returns or raises
