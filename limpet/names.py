"""The names that other programs use: tasks and queues. They are a contract."""

from typing import Final

#: One page through one session; the task that apps call.
SCRAPE: Final = "scrape"
#: Tell an app's own server how a job ended.
WEBHOOK: Final = "webhook"
#: Many pages of one session, one after the other.
SCRAPE_MANY: Final = "scrape_many"
#: Remove sessions whose time is over and settle the leases of dead workers.
CLEANUP_EXPIRED_SESSIONS: Final = "cleanup_expired_sessions"
#: Write what every pool holds to the live stream and to SQL.
SNAPSHOT_METRICS: Final = "snapshot_metrics"
#: Move dead letters from Redis to SQL, and forget old ones.
STORE_DEAD_LETTERS: Final = "store_dead_letters"

#: Where jobs go.
SCRAPE_QUEUE: Final = "scrape"
#: Celery's own default, so that a plain ``Celery(broker=…).send_task("scrape", …)``
#: reaches us without naming a queue: who takes from ``scrape`` takes from here too.
INBOX_QUEUE: Final = "celery"
#: Jobs that need a browser.
RENDER_QUEUE: Final = "render"
#: Upkeep waits behind no flood of jobs.
UPKEEP_QUEUE: Final = "upkeep"
QUEUES: Final = (SCRAPE_QUEUE, RENDER_QUEUE, UPKEEP_QUEUE, INBOX_QUEUE)
