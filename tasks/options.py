"""How Celery is configured, and why so."""

from typing import Any, Final

from kombu import Exchange, Queue

from beat_schedule import beat_schedule
from limpet.names import QUEUES, SCRAPE_QUEUE
from limpet.settings import Settings
from tasks import quorum

#: Seconds between two searches for jobs of dead workers: a sixth of the visibility
#: timeout, in these bounds. With Celery's own defaults they wait up to 100 s longer.
_SWEEP: Final = (1.0, 10.0)
#: Seconds after which a Redis is taken for frozen, and dialled in vain.
_ANSWER, _DIAL = 10, 5


def options(config: Settings) -> dict[str, Any]:
    """Return the configuration of the app."""
    return {
        **_broker(config),
        **_delivery(),
        **_queues(config),
        **_results(config),
        **_worker(config),
        **_beat(config),
    }


def _broker(config: Settings) -> dict[str, Any]:
    return {
        "broker_url": config.celery_broker,
        "broker_transport_options": transport_options(config),
        # A broker that is away comes back; a worker that has given up does not.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # Who enqueues from a web request must not wait for a connection for ever.
        "broker_pool_acquire_timeout": 10,
    }


def transport_options(config: Settings) -> dict[str, Any]:
    """Return what the transport of the broker in use understands."""
    if config.celery_broker.startswith("amqp"):
        # Else a message is taken for sent that RabbitMQ never had.
        return {"confirm_publish": True}
    visible = config.visibility_timeout_seconds
    least, most = _SWEEP
    sweep = min(max(visible / 6, least), most)
    return {
        # When the jobs of a dead worker go to another one.
        "visibility_timeout": visible,
        "unacked_restore_interval": sweep,
        "unacked_restore_throttle": 1,
        # A sweep is done by the worker's own loop: it must not take long.
        "unacked_restore_limit": 200,
        # Only stock sweeps have this lock; one that died with it would stop them all.
        "unacked_mutex_expire": 30,
        # After a gap in the sweeps, workers are heard before anything is taken away.
        "sweep_gap": max(3 * sweep, visible / 3),
        "max_losses": config.job_max_losses,
        # A frozen Redis must not hold a publisher, or the worker's loop, for ever.
        "socket_timeout": _ANSWER,
        "socket_connect_timeout": _DIAL,
        # Finds a peer that went without a word, even while nothing is sent.
        "socket_keepalive": True,
        # Says whose the connections are in CLIENT LIST.
        "client_name": "limpet",
        # Only asked for behind a Sentinel.
        "master_name": config.sentinel_master,
    }


def _delivery() -> dict[str, Any]:
    return {
        # A job is acknowledged when it is done, so a dead worker's come back.
        "task_acks_late": True,
        # A job that failed, or ran out of time, is kept among the dead letters; given
        # back, it would run for ever.
        "task_acks_on_failure": True,
        "task_acks_on_timeout": True,
        # A job whose process died is sent anew and counted (`tasks.request`); given
        # back, one that kills its process would do so for ever.
        "task_retry_on_worker_lost": True,
        "task_reject_on_worker_lost": False,
        # How long that waits, in seconds; Celery's own 180 is for a busy mail server.
        "task_annotations": {"*": {"default_retry_delay": 5}},
        # A job that was done, but not acknowledged before its worker died, is not done
        # again: its result is looked for when it comes back.
        "worker_deduplicate_successful_tasks": True,
        # Celery 6 turns this on; with results in the same Redis it loses the jobs.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # Pickle runs whatever a message says.
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "timezone": "UTC",
        # What an app has follow a job (`link`, a chain) may go to a queue of its own. A
        # name that is misspelt is an error of `-Q` all the same (`tasks.starting`).
        "task_create_missing_queues": True,
        "task_default_queue": SCRAPE_QUEUE,
    }


def _queues(config: Settings) -> dict[str, Any]:
    if config.celery_broker.startswith("amqp"):
        return {"task_queues": quorum.queues(), "task_default_queue_type": "quorum"}
    plain = [Queue(name, Exchange(name), routing_key=name) for name in QUEUES]
    return {"task_queues": plain}


def _results(config: Settings) -> dict[str, Any]:
    return {
        "result_backend": config.celery_results,
        # A result may hold a page: it is for who waits for it, not for the archive.
        "result_expires": 3600,
        "task_track_started": True,
        # A job that is done while its result cannot be written waits until it can.
        # Measured with 15 jobs that ended while the backend was frozen for 20 s, or
        # killed and back after 10 s: without this all 15 were FAILURE though they were
        # done, or stayed STARTED for ever; with it all 15 were SUCCESS, and the worker
        # went on.
        "result_backend_always_retry": True,
        "result_backend_transport_options": {"master_name": config.sentinel_master},
        "redis_socket_timeout": _ANSWER,
        "redis_socket_connect_timeout": _DIAL,
        "redis_socket_keepalive": True,
        "redis_backend_health_check_interval": 25,
    }


def _worker(config: Settings) -> dict[str, Any]:
    return {
        # Scraping waits for the network; connections are kept per process.
        "worker_pool": "threads",
        "worker_consumer": "tasks.consumer:Consumer",
        "worker_concurrency": config.worker_threads,
        # A job that waits in one worker could run in another.
        "worker_prefetch_multiplier": 1,
        # Jobs that are for later, and are not put away as our transport does: with
        # another one, or with an ETA that it cannot read. They are held beyond the
        # prefetch, and a worker that holds so many takes no other job.
        "worker_eta_task_limit": 10_000,
        # SIGQUIT: what is done within this time is done, the rest is given back.
        "worker_soft_shutdown_timeout": 20,
        # Only with processes: what a library leaks ends with its process.
        "worker_max_tasks_per_child": 500,
        "worker_send_task_events": True,
        # The event of a retry would carry the job's arguments as they are.
        "task_send_sent_event": False,
        # Ours is set up in `tasks.celery`.
        "worker_hijack_root_logger": False,
    }


def _beat(config: Settings) -> dict[str, Any]:
    return {
        "beat_schedule": beat_schedule(config),
        "beat_scheduler": "tasks.scheduler:Scheduler",
        # A beat that waits looks so often whether it is to go on; see ACTIVE_MS.
        "beat_max_loop_interval": 5,
    }
