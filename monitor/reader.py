"""What pages ask the stores for, without ever keeping Flower's loop waiting."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import BoundedSemaphore
from typing import Any, Final, TypeVar

from health.crew import CREW
from limpet.errors import LimpetError, StoreUnavailable

T = TypeVar("T")

#: Questions at a time. A store that hangs holds so many threads and no more.
_AT_ONCE: Final = 16


class Reader:
    """Asks in threads, and gives up after *timeout* seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._places = BoundedSemaphore(_AT_ONCE)

    async def ask(self, question: Callable[[], T]) -> T:
        """Return what *question* returns.

        Raises:
            StoreUnavailable: there is no answer in time.
            LimpetError: too many wait for one.
            Exception: what *question* raised.
        """
        if not self._places.acquire(blocking=False):
            raise LimpetError("too many pages wait for an answer")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def put() -> None:
            try:
                told = partial(answer.set_result, question())
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                told = partial(answer.set_exception, error)
            finally:
                self._places.release()
            # Flower may have ended by now.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_tell, answer, told)

        CREW.do(put)
        late = partial(answer.set_exception, StoreUnavailable("no answer in time"))
        timer = loop.call_later(self._timeout, _tell, answer, late)
        try:
            return await answer
        finally:
            timer.cancel()


def _tell(answer: asyncio.Future[Any], told: Callable[[], None]) -> None:
    """Answer whoever still waits: one who went away has cancelled it."""
    if not answer.done():
        told()
