"""Whose turn it is: as many at a time as there are processors, and nobody for long.

A rule that takes seconds would have everybody behind it wait: twelve regular
expressions that backtrack without end held up all pages of a worker for a minute. So
whoever is not done soon goes on without a turn, and only when nothing else is to do.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

#: Seconds that a turn lasts. Pages take milliseconds.
TURN: Final = 1.0


@dataclass(eq=False, slots=True)
class Turn:
    """One turn; *lose* is called when it has lasted too long, and then it is *over*."""

    ends: float = math.inf
    over: bool = False
    lose: Callable[[], None] = lambda: None


class Turns:
    """At most *size* turns at a time."""

    def __init__(self, size: int) -> None:
        self._free = threading.BoundedSemaphore(size)
        self._begun: set[Turn] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        #: When the thread looks again: to wake it for each page would cost a switch.
        self._wakes = math.inf

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Wait for a turn; its time counts from `begin` on."""
        self._free.acquire()
        made = Turn()
        try:
            yield made
        finally:
            with self._changed:
                self._begun.discard(made)
                if not made.over:
                    self._free.release()

    def begin(self, turn: Turn, lose: Callable[[], None]) -> None:
        """Let the time of *turn* count from now, if it does not yet."""
        if turn in self._begun or turn.over:
            return
        turn.ends, turn.lose = time.monotonic() + TURN, lose
        with self._changed:
            self._begun.add(turn)
            self._start()
            if turn.ends < self._wakes:
                self._wakes = turn.ends
                self._changed.notify()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._watch, name="turns", daemon=True
            )
            self._thread.start()

    def _watch(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                late = [one for one in self._begun if one.ends <= now]
                self._begun.difference_update(late)
                for one in late:
                    one.over = True
                    one.lose()
                    self._free.release()
                self._wakes = min((one.ends for one in self._begun), default=math.inf)
                nothing = self._wakes == math.inf
                self._changed.wait(None if nothing else self._wakes - now)
