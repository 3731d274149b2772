"""How a job that takes long hears that it is not wanted any more."""

import time
from typing import Final

from celery.worker import state

#: Seconds between two looks while a job waits.
_LOOK: Final = 0.5


class Cancelled(Exception):
    """Somebody has revoked the job *task_id*."""

    def __str__(self) -> str:
        return "cancelled"


def check(task_id: str) -> None:
    """Return if the job is to go on.

    A worker remembers what was revoked where it takes messages. That is this process
    with threads; with a pool of processes, only ``terminate`` reaches a job that runs.

    Raises:
        Cancelled: it is not.
    """
    if task_id in state.revoked:
        raise Cancelled(task_id)


def wait(task_id: str, seconds: float) -> None:
    """Sleep, but look now and then; raises as `check`."""
    check(task_id)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _LOOK))
        check(task_id)
