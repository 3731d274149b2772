"""Threads for questions, which stay for the next one."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final


class Crew:
    """Does work in threads: to start one each time costs more than many a question.

    There is one more thread only when all are at work, and none keeps the process from
    ending. Who gives work bounds how much there is at a time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free = 0
        self._work = SimpleQueue[Callable[[], None]]()

    def do(self, work: Callable[[], None]) -> None:
        """Begin *work*, which must not raise, at once."""
        with self._lock:
            start = not self._free
            self._free -= not start
        if start:
            name = "limpet-question"
            threading.Thread(target=self._serve, name=name, daemon=True).start()
        self._work.put(work)

    def _serve(self) -> None:
        while True:
            self._work.get()()
            with self._lock:
                self._free += 1


CREW: Final = Crew()
