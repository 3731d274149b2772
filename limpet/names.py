"""The names that other programs use: tasks and queues. They are a contract."""

from typing import Final

#: One page through one session; the task that apps call.
SCRAPE: Final = "scrape"
#: Remove sessions whose time is over and settle the leases of dead workers.
CLEANUP_EXPIRED_SESSIONS: Final = "cleanup_expired_sessions"
#: Write what every pool holds to the live stream and to SQL.
SNAPSHOT_METRICS: Final = "snapshot_metrics"

#: Where jobs go. It is Celery's own default, so that a plain
#: ``Celery(broker=…).send_task("scrape", …)`` reaches us without naming a queue.
JOBS_QUEUE: Final = "celery"
#: Upkeep waits behind no flood of jobs.
UPKEEP_QUEUE: Final = "upkeep"
