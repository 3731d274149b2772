"""What pages ask the stores for, without ever keeping Flower's loop waiting."""

import asyncio
from collections.abc import Callable
from threading import BoundedSemaphore
from typing import Any, Final, TypeVar

from health.question import Question
from limpet.errors import StoreUnavailable

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
            StoreUnavailable: there is no answer in time, or too many wait for one.
            Exception: what *question* raised.
        """
        if not self._places.acquire(blocking=False):
            raise StoreUnavailable("too many pages wait for it")

        def put() -> T:
            try:
                return question()
            finally:
                self._places.release()

        # Whoever does not wait for the answer does not take it from its thread.
        asked = asyncio.wrap_future(Question("page", put).put())
        asked.add_done_callback(_heard)
        try:
            return await asyncio.wait_for(asyncio.shield(asked), self._timeout)
        except TimeoutError:
            raise StoreUnavailable("no answer in time") from None


def _heard(answer: asyncio.Future[Any]) -> None:
    """Note what came too late for anybody: else asyncio complains that nobody did."""
    if not answer.cancelled():
        answer.exception()
