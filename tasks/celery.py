"""The Celery app, configured.

The one module that reads the environment when it is imported: ``celery -A tasks``
must find a finished app. A wrong setting ends the process with one readable line.
"""

import os
from pathlib import Path

import structlog
from celery import Celery
from celery.signals import setup_logging, worker_init
from dotenv import dotenv_values
from kombu import Queue

from beat_schedule import beat_schedule
from limpet import database
from limpet.connection import require_no_eviction, session_redis
from limpet.errors import ConfigurationError, StoreUnavailable
from limpet.logs import configure
from limpet.names import JOBS_QUEUE, UPKEEP_QUEUE
from limpet.settings import Settings, settings
from sessions import check


def _create(config: Settings) -> Celery:
    made = Celery("limpet", include=["tasks.scrape", "tasks.upkeep"])
    made.conf.update(
        broker_url=config.celery_broker,
        result_backend=config.celery_results,
        broker_transport_options={
            "visibility_timeout": config.visibility_timeout_seconds,
            # By default a dead worker's jobs wait up to 100 s longer than that.
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "unacked_restore_limit": 200,
            "unacked_mutex_expire": 30,
            # A frozen Redis must not hold a publisher for ever.
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
        },
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Celery 6 turns this on; with results in the same Redis it loses the jobs.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_track_started=True,
        result_expires=3600,
        # Scraping waits for the network; connections are kept per process.
        worker_pool="threads",
        worker_consumer="tasks.consumer:Consumer",
        worker_concurrency=config.worker_threads,
        # A job that waits in one worker could run in another.
        worker_prefetch_multiplier=1,
        worker_send_task_events=True,
        # The event of a retry would carry the job's arguments as they are.
        task_send_sent_event=False,
        worker_hijack_root_logger=False,
        task_default_queue=JOBS_QUEUE,
        task_queues=[Queue(JOBS_QUEUE), Queue(UPKEEP_QUEUE)],
        task_create_missing_queues=False,
        accept_content=["json"],
        beat_schedule=beat_schedule(config),
        beat_scheduler="tasks.scheduler:Scheduler",
        beat_schedule_filename=str(config.state_dir / "beat-schedule"),
        beat_max_loop_interval=5,
    )
    return made


def _read_flower_options(file: Path) -> None:
    # Flower reads the environment alone, and would run open to whoever finds it.
    for name, value in dotenv_values(file).items():
        if name.startswith("FLOWER_") and value:
            os.environ.setdefault(name, value)


try:
    app = _create(settings())
    _read_flower_options(settings().env_file)
except ConfigurationError as error:
    raise SystemExit(f"limpet: {error}") from None


@setup_logging.connect
def _log(**_signal: object) -> None:
    configure(settings())


@worker_init.connect
def _check_stores(**_signal: object) -> None:
    config = settings()
    try:
        check(config)
        database.engine(config.sql_url)
        if not config.allow_eviction:
            require_no_eviction(session_redis(config))
    except ConfigurationError as error:
        raise SystemExit(f"limpet: {error}") from None
    except StoreUnavailable as error:
        # It may come later, as the broker may: jobs wait for it.
        structlog.get_logger(__name__).warning("store_not_ready", reason=str(error))
