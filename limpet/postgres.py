"""Connections to PostgreSQL that wait for a frozen server, but not for ever.

A server that is stopped, or a disk of it that hangs, goes on acknowledging packets: no
time limit of TCP or of the server itself ends the wait. Neither does libpq know one.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from typing import Any, Final, TypeVar

from psycopg import Connection, OperationalError
from psycopg.abc import PQGen

#: Seconds that one statement may take. Those of ours take milliseconds; the largest, a
#: hundred checkpoints with their states, some seconds on a slow line.
ANSWER: Final = 20.0
#: Seconds that a connection may take.
DIAL: Final = 5

_patience: ContextVar[float] = ContextVar("patience", default=ANSWER)

T = TypeVar("T")


class NoAnswer(OperationalError):
    """The server did not answer in time; the connection is of no use any more."""


class BoundedConnection(Connection[Any]):
    """One that gives up on a statement after `ANSWER` seconds."""

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        """Wait as psycopg does; raise `NoAnswer` when it takes too long."""
        until = time.monotonic() + _patience.get()
        try:
            return super().wait(_bounded(gen, until), *args, **kwargs)
        except NoAnswer:
            # What is still to come must not be taken for the next one's answer.
            self.close()
            raise


@contextmanager
def patient() -> Iterator[None]:
    """Wait for as long as it takes: a migration may rewrite a table."""
    token = _patience.set(inf)
    try:
        yield
    finally:
        _patience.reset(token)


def _bounded(gen: PQGen[T], until: float) -> PQGen[T]:
    """Go on with *gen*, which is told each tenth of a second that nothing has come."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > until:
                raise NoAnswer("no answer in time")
            wanted = gen.send(ready)
    except StopIteration as done:
        found: T = done.value
        return found
