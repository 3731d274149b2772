"""The thread that a worker's browser lives in.

Playwright's objects belong to the event loop that they were made in, and a worker's
jobs run in threads, or in processes that were forked: so each process has one thread
with a loop, started when its first page comes.
"""

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from limpet.errors import BrowserFailed, NoBrowser, WorkerExhausted
from limpet.settings import Settings
from sessions import Lease
from tasks.browser.authorities import home
from tasks.browser.contexts import Contexts
from tasks.browser.finding import find
from tasks.browser.storage import Limits
from tasks.browser.values import Rendered, Wish
from tasks.browser.visit import GRACE, Visit
from tasks.guard import Guard

#: Seconds that a job waits for its turn in a browser that is full.
_TURN: Final = 30.0
#: Seconds for a browser to start, beyond those of the visit.
_START: Final = 60.0
_CLOSE: Final = 20.0

_T = TypeVar("_T")


class Host:
    """The browser of one process, for all its threads."""

    def __init__(self, config: Settings) -> None:
        """Start the thread; the browser is started with its first page.

        Raises:
            NoBrowser: there is none, or none that trusts ``LIMPET_CA_FILE``.
        """
        self._config = config
        self._turns = threading.BoundedSemaphore(config.render_contexts)
        self._limits = Limits.of(config)
        self._contexts = Contexts(
            config, find(config.chromium), Guard.of(config), home=_home(config)
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="browser", daemon=True
        )
        self._thread.start()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold one of the places for a page.

        Raises:
            WorkerExhausted: none became free for a while.
        """
        if not self._turns.acquire(timeout=_TURN):
            raise WorkerExhausted("browser contexts")
        try:
            yield
        finally:
            self._turns.release()

    def visit(self, wish: Wish) -> Rendered:
        """Do a page; its context is held until `keep` or `drop`.

        Raises:
            BrowserFailed: there was no browser to do it in.
            InvalidJob: no page opens as the job wants it.
        """
        return self._do(self._visit(wish), wish.timeout + GRACE + _START)

    def keep(self, rendered: Rendered, lease: Lease, version: int) -> None:
        """Keep the context for the session's next page; its state has *version*."""
        work = self._contexts.keep(rendered.held, lease, version)
        with suppress(BrowserFailed):
            self._do(work, _CLOSE)

    def drop(self, rendered: Rendered) -> None:
        """Have the context closed; the job need not wait for that."""
        with suppress(RuntimeError):  # all of it is closed already
            self._loop.call_soon_threadsafe(self._contexts.drop, rendered.held)

    def close(self) -> None:
        """End the browser and the thread."""
        with suppress(BrowserFailed):
            self._do(self._contexts.shut(), _CLOSE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE)
        if not self._thread.is_alive():
            self._loop.close()

    def pids(self) -> list[int]:
        """Return the browser's processes; none while there is no browser."""
        process = self._contexts.process
        return self._do(process.pids(), _CLOSE) if process else []

    async def _visit(self, wish: Wish) -> Rendered:
        start = time.monotonic()
        held = await self._contexts.take(wish)
        took = round((time.monotonic() - start) * 1000)
        try:
            found = await Visit(wish, held, self._limits).run()
        except BaseException:
            await self._contexts.close(held)
            raise
        found.times["context_ms"] = took + found.times.pop("open_ms")
        if isinstance(found.error, BrowserFailed) and found.error.what != "the page":
            held.process.lose()
        return found

    def _do(self, work: Coroutine[Any, Any, _T], within: float) -> _T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(within)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise BrowserFailed("the browser") from None
        except BaseException:
            # The job was told to end: so is its page.
            future.cancel()
            raise


def _home(config: Settings) -> Path | None:
    """Return the home of a browser that trusts more than others."""
    if config.ca_file is None:
        return None
    try:
        return home(config.ca_file, config.make_state_dir())
    except OSError as error:
        raise NoBrowser(
            f"LIMPET_CA_FILE: it cannot be made to trust it: {error}"
        ) from None
