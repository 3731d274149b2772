"""Events of a job beyond those that Celery sends, for Flower and whoever listens."""

from typing import Any, Final

import structlog
from celery import current_task

from sessions import Lease

#: A session has moved to another proxy for this job. Flower shows the job as REBOUND
#: until it is done, and counts it: ``flower_events_total{type="task-rebound"}``.
REBOUND: Final = "task-rebound"

log = structlog.get_logger(__name__)


def tell_rebound(lease: Lease) -> None:
    """Tell that the session of *lease* has another proxy than before.

    Never stands in a job's way: an event that cannot be sent is left out.
    """
    task: Any = current_task
    if not task or not task.app.conf.worker_send_task_events:
        return
    about = {"pool": lease.pool, "session": lease.session, "proxy": lease.proxy.id}
    try:
        task.send_event(REBOUND, retry=False, generation=lease.generation, **about)
    except Exception as error:  # noqa: BLE001 - each transport has its own
        log.warning("event_not_sent", type=REBOUND, reason=type(error).__name__)
