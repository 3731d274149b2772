"""The app as it is, with tasks that leave a trace; ``celery -A bench.queue_app``."""

import os
import time
from functools import cache
from typing import Any

from celery import Task
from redis import Redis

from limpet.connection import connect
from tasks.celery import app

# An event costs as much as a job that does nothing, on any transport.
app.conf.worker_send_task_events = os.environ.get("BENCH_EVENTS", "1") == "1"


@cache
def witness() -> Redis:
    """The Redis that is told what was run; it is never killed."""
    return connect(os.environ["WITNESS_URL"])


@app.task(name="bench.noop", ignore_result=True)
def noop(_number: int = 0) -> None:
    pass


@app.task(name="bench.record", ignore_result=True)
def record(number: int) -> None:
    witness().rpush("done", number)


@app.task(name="bench.sleep")
def sleep(number: int, seconds: float) -> int:
    witness().rpush("started", number)
    time.sleep(seconds)
    witness().rpush("done", number)
    return number


@app.task(name="bench.die", bind=True)
def die(_self: Task[Any, Any], number: int) -> None:
    """Kill the process that runs it, as a crash or want of memory does."""
    witness().rpush("started", number)
    os.kill(os.getpid(), 9)
