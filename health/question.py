"""Ask a server that may never answer."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial
from typing import Generic, TypeVar

from health.crew import CREW

T = TypeVar("T")


class Question(Generic[T]):
    """One question, asked in a thread and never twice at once.

    A server that is frozen keeps one thread waiting, however often it is asked, and
    that thread does not keep the process from ending.
    """

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._pending: Future[T] | None = None

    def put(self) -> Future[T]:
        """Ask, unless that is being done; return what will hold the answer."""
        with self._lock:
            if self._pending is None or self._pending.done():
                self._pending = Future()
                CREW.do(partial(self._run, self._pending))
            return self._pending

    def _run(self, answer: Future[T]) -> None:
        try:
            answer.set_result(self._ask())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            answer.set_exception(error)


def answered(answer: Future[T], until: float) -> T:
    """Wait for *answer* until the monotonic clock shows *until*.

    Raises:
        TimeoutError: there is none by then.
        Exception: what was raised instead of an answer.
    """
    try:
        return answer.result(max(0.0, until - time.monotonic()))
    except FutureTimeout:
        raise TimeoutError from None
