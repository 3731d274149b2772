"""How a job that takes long hears that it is not wanted any more, or not here."""

import mmap
import time
from typing import Final

from celery.worker import state

#: Seconds between two looks while a job waits.
_LOOK: Final = 0.5
#: A byte that a worker shares with the processes that it forks: whether it is to end.
_leaving: Final = mmap.mmap(-1, 1)


class Interrupted(Exception):
    """A job is not to go on here."""


class Cancelled(Interrupted):
    """Somebody has revoked the job *task_id*."""

    def __str__(self) -> str:
        return "cancelled"


class Leaving(Interrupted):
    """This worker is to end: another one is to go on with the job."""

    def __str__(self) -> str:
        return "the worker ends"


def leave(*, now: bool = True) -> None:
    """Have jobs that take long end where they are, to go on elsewhere."""
    _leaving[0] = now


def check(task_id: str) -> None:
    """Return if the job is to go on, here and now.

    A worker remembers what was revoked where it takes messages. That is this process
    with threads; with a pool of processes, only ``terminate`` reaches a job that runs.

    Raises:
        Cancelled: it is not.
        Leaving: it is to, but elsewhere.
    """
    if task_id in state.revoked:
        raise Cancelled(task_id)
    if _leaving[0]:
        raise Leaving


def wait(task_id: str, seconds: float) -> None:
    """Sleep, but look now and then; raises as `check`."""
    check(task_id)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _LOOK))
        check(task_id)
