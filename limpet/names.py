"""The names that other programs use: tasks and queues. They are a contract."""

from typing import Final

#: One page through one session; the task that apps call.
SCRAPE: Final = "scrape"
#: Tell an app's own server how a job ended.
WEBHOOK: Final = "webhook"
#: Many pages of one session, one after the other.
SCRAPE_MANY: Final = "scrape_many"
#: One page in a browser, with steps.
RENDER: Final = "render"
#: Remove sessions whose time is over and settle the leases of dead workers.
CLEANUP_EXPIRED_SESSIONS: Final = "cleanup_expired_sessions"
#: Write what every pool holds to the live stream and to SQL.
SNAPSHOT_METRICS: Final = "snapshot_metrics"
#: Move dead letters from Redis to SQL, and forget old ones.
STORE_DEAD_LETTERS: Final = "store_dead_letters"
#: Settle the leases of workers that died.
SETTLE_LEASES: Final = "settle_leases"
#: End idle sessions while all of them take too much memory.
LIMIT_MEMORY: Final = "limit_memory"
#: Move the sessions that nobody uses off proxies that are evacuated.
SWEEP_EVACUATED: Final = "sweep_evacuated"
#: Write the sessions that have changed to SQL.
CHECKPOINT_SESSIONS: Final = "checkpoint_sessions"
#: Sum up the history by the hour, and forget what is too old.
ROLL_UP_HISTORY: Final = "roll_up_history"
#: Move audit events from Redis to SQL.
DRAIN_AUDIT: Final = "drain_audit"
#: Try proxies that cool down, or that nobody has used yet.
PROBE_PROXIES: Final = "probe_proxies"
#: Try one proxy now, for a person who asks.
PROBE_PROXY: Final = "probe_proxy"
#: Judge the pools' health, and tell of what has changed.
CHECK_ALERTS: Final = "check_alerts"

#: All of them.
TASKS: Final = frozenset(
    {SCRAPE, WEBHOOK, SCRAPE_MANY, RENDER, CLEANUP_EXPIRED_SESSIONS, SNAPSHOT_METRICS}
    | {STORE_DEAD_LETTERS, SETTLE_LEASES, LIMIT_MEMORY, SWEEP_EVACUATED}
    | {CHECKPOINT_SESSIONS, ROLL_UP_HISTORY, DRAIN_AUDIT, PROBE_PROXIES, PROBE_PROXY}
    | {CHECK_ALERTS}
)

#: Header of a job's message: what the job has been through.
HISTORY_HEADER: Final = "limpet"

#: What our workers call their software when they tell that they live: on a broker may
#: be those of other programs too.
WORKER_IDENT: Final = "limpet"

#: Where jobs go.
SCRAPE_QUEUE: Final = "scrape"
#: Celery's own default, so that a plain ``Celery(broker=…).send_task("scrape", …)``
#: reaches us without naming a queue: who takes from ``scrape`` takes from here too.
INBOX_QUEUE: Final = "celery"
#: Jobs that need a browser.
RENDER_QUEUE: Final = "render"
#: Upkeep waits behind no flood of jobs.
UPKEEP_QUEUE: Final = "upkeep"
#: Webhooks: receivers that hang hold up neither jobs nor upkeep.
WEBHOOK_QUEUE: Final = "webhooks"
QUEUES: Final = (SCRAPE_QUEUE, RENDER_QUEUE, UPKEEP_QUEUE, WEBHOOK_QUEUE, INBOX_QUEUE)
