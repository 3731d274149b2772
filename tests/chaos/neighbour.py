"""A plain Celery app of somebody else, on the broker that we use."""

import os
import time

from celery import Celery
from redis import Redis

app = Celery("neighbour")
app.conf.update(
    task_default_queue="mine",
    task_acks_late=True,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        # Celery's own default, unless a test needs it to be short.
        "visibility_timeout": int(os.environ.get("NEIGHBOUR_VISIBILITY", "3600")),
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    },
)
witness = Redis.from_url(os.environ["WITNESS_URL"])


@app.task(name="mine.work", ignore_result=True)
def work(number: int, seconds: float) -> None:
    """Do something that takes a while."""
    witness.rpush("started", number)
    time.sleep(seconds)
    witness.rpush("done", number)
