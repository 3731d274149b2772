"""The browser of a worker process: made when its first page comes, ended with it.

Playwright is an extra, which many workers lack: it is imported here, and not before.
"""

import os
import threading
from typing import TYPE_CHECKING

from celery.signals import worker_process_shutdown, worker_shutdown

from limpet.settings import settings

if TYPE_CHECKING:
    from tasks.browser.host import Host

_lock = threading.Lock()
_made: "dict[int, Host]" = {}


def browser() -> "Host":
    """Return this process's browser.

    Raises:
        NoBrowser: it has none.
    """
    from tasks.browser.finding import find  # noqa: PLC0415 - see above

    with _lock:
        # What a parent had is not a child's.
        if (host := _made.get(os.getpid())) is None:
            find(settings().chromium)
            from tasks.browser.host import Host  # noqa: PLC0415 - see above

            host = _made[os.getpid()] = Host(settings())
        return host


@worker_shutdown.connect
@worker_process_shutdown.connect
def end(**_signal: object) -> None:
    """End the browser of this process, if it has one."""
    with _lock:
        host = _made.pop(os.getpid(), None)
    if host:
        host.close()
