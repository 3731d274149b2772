"""The pool of threads, and what follows a job: nothing keeps its place for ever."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery
from redis import Redis

from tasks.threads import TaskPool

if TYPE_CHECKING:
    from lab import Lab
    from tests.stack import Stack

Eventually = Callable[..., None]


def test_what_a_run_raises_is_told_to_whoever_has_to_end_the_job(
    eventually: Eventually,
) -> None:
    told: list[Any] = []
    pool = TaskPool(1)
    pool.start()

    def stumble() -> None:
        raise LookupError("mine")

    try:
        pool.apply_async(stumble, callback=told.append, error_callback=told.append)
        pool.apply_async(lambda: 7, callback=told.append, error_callback=told.append)

        eventually(lambda: len(told) == 2, within=30)
    finally:
        pool.stop()
    assert isinstance(told[0].exception.exc, LookupError)
    assert told[1] == 7


@pytest.fixture
def app(stack: "Stack", lab: "Lab") -> Celery:
    """Return the app of a program that sends jobs to a worker with one place."""
    line = lab.proxies[0].line
    assert stack.manage("proxies", "import", "-", stdin=line).returncode == 0
    assert stack.manage("migrate").returncode == 0
    stack.worker("worker", "-c", "1")
    return stack.app()


def test_a_task_of_an_app_follows_a_job_in_the_app_s_own_queue(
    app: Celery, stack: "Stack", lab: "Lab", eventually: Eventually
) -> None:
    broker = Redis.from_url(stack.broker_url)
    then = app.signature("shop.store", queue="shop")
    good = {"url": f"{lab.site}/whoami"}

    chained = (app.signature("scrape", kwargs=good) | then).apply_async()
    linked = app.send_task("scrape", kwargs=good, link=then)
    failed = app.send_task("scrape", kwargs={"url": "x"}, link_error=then)

    first: Any = chained.parent
    assert first.get(timeout=60)["status"] == 200
    assert linked.get(timeout=60)["status"] == 200
    assert str(failed.get(timeout=60, propagate=False)).startswith("url: must be")
    eventually(lambda: broker.llen("shop") == 3, within=30)
    eventually(lambda: broker.hlen("unacked") == 0, within=30)


@pytest.mark.parametrize(
    "follows",
    [
        5,
        {"id": 5},
        {"chain": [5]},
        {"chain": [{"task": "shop.store"}]},
        {"errbacks": [None]},
        {
            "errbacks": [
                {"task": "x", "args": [], "kwargs": {}, "options": {"queue": 5}}
            ]
        },
        {"chord": "x"},
    ],
)
def test_a_job_whose_followers_are_none_fails_and_keeps_no_place(
    app: Celery, stack: "Stack", eventually: Eventually, follows: object
) -> None:
    broker = Redis.from_url(stack.broker_url)
    message = {
        "body": json.dumps([[], {"url": "x"}, follows]),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "scrape", "id": "odd"},
        "properties": {
            "delivery_tag": "odd",
            "delivery_info": {"exchange": "", "routing_key": "scrape"},
        },
    }

    broker.lpush("scrape", json.dumps(message))

    after = app.send_task("scrape", kwargs={"url": "x"})
    assert str(after.get(timeout=60, propagate=False)).startswith("url: must be")
    assert app.AsyncResult("odd").state == "FAILURE"
    eventually(lambda: broker.hlen("unacked") == 0, within=30)
    assert stack.manage("dead", "show", "odd").returncode == 0
