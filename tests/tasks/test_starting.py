"""What a worker is refused before it begins, and where plain producers reach it."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from celery import Task

from limpet.errors import ConfigurationError
from tasks.app import App
from tasks.starting import pool_problem, queue_problem

if TYPE_CHECKING:
    from tests.conftest import Stack


def test_an_async_task_is_refused_when_it_is_registered() -> None:
    app = App("test", set_as_current=False)

    class Late(Task):  # type: ignore[type-arg] # it takes none here
        name = "late"

        async def run(self) -> None:
            await asyncio.sleep(0)

    with pytest.raises(ConfigurationError, match="task 'soon' is an `async def`"):

        @app.task(name="soon", lazy=False)
        async def soon() -> None:
            await asyncio.sleep(0)

    with pytest.raises(ConfigurationError, match="task 'late' is an `async def`"):
        app.register_task(Late())


def test_a_queue_that_does_not_exist_is_an_error_that_lists_those_that_do(
    stack: "Stack",
) -> None:
    done = stack.run("-m", "celery", "-A", "tasks", "worker", "-Q", "scrape,rendr")

    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "limpet: -Q: there is no queue 'rendr'; did you mean render? "
        "(queues: scrape, render, upkeep, celery)"
    )


def test_green_pools_are_refused_with_a_reason() -> None:
    assert "-P gevent: such a worker never takes over" in pool_problem(
        "celery.concurrency.gevent:TaskPool"
    )
    assert pool_problem("threads") == queue_problem("scrape,upkeep") == ""


def test_who_takes_scrape_takes_what_an_app_sends_without_a_queue(
    stack: "Stack",
) -> None:
    file = stack.celery("worker", "-Q", "scrape", log="worker")

    result = stack.app().send_task("scrape", kwargs={"url": "x"})

    assert str(result.get(timeout=30, propagate=False)).startswith("url: must be")
    assert file.poll() is None


def test_the_stock_transport_can_be_chosen(stack: "Stack") -> None:
    code = (
        "from tasks.celery import app;"
        "print(app.connection().get_transport_cls().__module__)"
    )

    ours = stack.run("-c", code)
    stock = stack.run("-c", code, LIMPET_TRANSPORT="stock")
    rabbit = stack.run("-c", code, CELERY_BROKER_URL="amqp://127.0.0.1//")

    assert ours.stdout.strip() == "tasks.transport.transport"
    assert stock.stdout.strip() == "kombu.transport.redis"
    assert rabbit.stdout.strip() == "kombu.transport.pyamqp"
