"""What a worker is refused before it begins, and where plain producers reach it."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from celery import Task
from celery.concurrency import get_implementation

from limpet.errors import ConfigurationError
from tasks.app import App
from tasks.starting import pool_problem

if TYPE_CHECKING:
    from tests.stack import Stack


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

    with pytest.raises(ConfigurationError, match=r"task '\S+\.unnamed' is an `async"):

        @app.task(lazy=False)
        async def unnamed() -> None:
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
        "(queues: scrape, render, upkeep, webhooks, celery)"
    )


REFUSED = "such a worker never takes over what a dead one held"
#: What Celery asks of the library before it looks at our app.
STUB = "def patch_all():\n    pass\nmonkey_patch = patch_all\n"


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("gevent", "-P {}"),
        ("eventlet", "--pool={}"),
        ("gevent", "CELERY_WORKER_POOL"),
    ],
)
def test_a_worker_with_a_green_pool_is_refused_with_a_reason(
    stack: "Stack", tmp_path: Path, name: str, how: str
) -> None:
    library = tmp_path / "stub" / name
    library.mkdir(parents=True)
    (library / "__init__.py").write_text(STUB)
    for module in ("monkey", "signal", "debug"):
        (library / f"{module}.py").write_text(STUB)
    (library.parent / "greenlet.py").write_text("class GreenletExit(Exception): pass")
    path = {"PYTHONPATH": f"{stack.environment['PYTHONPATH']}:{library.parent}"}
    by_option = "{}" in how
    options = how.format(name).split() if by_option else []
    if not by_option:
        path[how] = name

    done = stack.run("-m", "celery", "-A", "tasks", "worker", *options, **path)

    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith(f"limpet: -P {name}: ")
    assert REFUSED in done.stderr


def test_a_green_pool_is_refused_where_its_library_is_not_installed(
    stack: "Stack",
) -> None:
    command = ("-m", "celery", "-A", "tasks", "worker")

    done = stack.run(*command, CELERY_WORKER_POOL="gevent")

    assert done.returncode == 1
    assert REFUSED in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["threads", "processes", "solo"])
def test_other_pools_are_not_refused(name: str) -> None:
    assert pool_problem(get_implementation(name)) == ""


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
