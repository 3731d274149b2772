"""Flower is ours wherever it is started, and whatever it hears, or has heard before."""

import base64
import shelve
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flower.events import EventsState

from tests.conftest import Eventually, _free_port
from tests.monitor import stock
from tests.monitor.conftest import Flower
from tests.redis_server import RedisServer
from tests.stack import Stack
from tests.warm import Warm

_KEPT = "K3ptS3cret"
_KEPT_ID = "11111111-1111-1111-1111-111111111111"
_SECRETS = (stock.ARGUMENT, stock.RESULT, stock.ERROR, stock.OPTION, _KEPT)
_WORKER = "stock@test"


def _leave_a_state(file: Path) -> None:
    """Write what a plain Flower has kept of a job."""
    state = EventsState(None)
    common = {"uuid": _KEPT_ID, "hostname": "x@y", "clock": 1, "pid": 1, "utcoffset": 0}
    told: list[dict[str, Any]] = [
        {
            "type": "task-received",
            "name": "kept",
            "args": f"('{_KEPT}',)",
            "kwargs": f"{{'password': '{_KEPT}'}}",
        },
        {"type": "task-failed", "exception": f"E('{_KEPT}')", "traceback": _KEPT},
    ]
    now = time.time()
    for one in told:
        state.event({**common, "timestamp": now, "local_received": now, **one})
    with shelve.open(str(file), "n") as kept:
        kept["events"] = state


@pytest.fixture(scope="module")
def flower(
    tmp_path_factory: pytest.TempPathFactory, warm: Warm, eventually: Eventually
) -> Iterator[Flower]:
    """Give one that was started elsewhere, and a plain worker that it sees."""
    with ExitStack() as opened:
        folder = tmp_path_factory.mktemp("stock")
        server = RedisServer(_free_port(), folder)
        opened.callback(server.close)
        eventually(server.answers)
        stack = Stack(0, folder, warm)
        opened.callback(stack.close)
        stack.redis_url, stack.broker_url = f"{server.url}/1", f"{server.url}/0"
        port = _free_port()
        stack.environment |= {
            "LIMPET_REDIS_URL": stack.redis_url,
            "CELERY_BROKER_URL": stack.broker_url,
            "FLOWER_PORT": str(port),
            "FLOWER_BASIC_AUTH": "ada:pw",
            "FLOWER_PERSISTENT": "true",
            "FLOWER_DB": str(folder / "kept"),
        }
        _leave_a_state(folder / "kept")
        stack.cwd = folder
        celery = str(Path(sys.executable).parent / "celery")
        stack.python(celery, "-A", "tasks", "flower", log="flower")
        worker = ("worker", "-c", "1", "-P", "threads", "-E", "-n", _WORKER)
        stack.python(celery, "-A", "tests.monitor.stock", *worker, log="stock")
        login = base64.b64encode(b"ada:pw").decode()
        made = Flower(port, stack, server, headers={"Authorization": f"Basic {login}"})
        eventually(made.up, within=60)
        # It asks by itself once, maybe before the worker was there.
        refresh = "/api/workers?refresh=1"
        eventually(lambda: _WORKER in made.get(refresh).body, within=60)
        yield made


def _found(flower: Flower, *paths: str) -> set[tuple[str, str]]:
    """Return what was found where; each page is there."""
    pages = {path: flower.get(path) for path in paths}
    assert {page.status for page in pages.values()} == {200}
    return {
        (path, word)
        for path, page in pages.items()
        for word in _SECRETS
        if word in page.body
    }


def _pages_of(job: str) -> tuple[str, ...]:
    return (f"/task/{job}", f"/api/task/info/{job}", "/api/tasks")


def test_what_a_plain_flower_has_kept_is_not_told(flower: Flower) -> None:
    found = _found(flower, *_pages_of(_KEPT_ID))
    by_its_words = flower.get(f"/api/tasks?search={_KEPT}")

    assert found == set()
    assert "password" in flower.get(f"/task/{_KEPT_ID}").body
    assert by_its_words.json == {}


def test_results_and_errors_of_other_programs_are_not_told(
    flower: Flower, eventually: Eventually
) -> None:
    app = flower.stack.app()
    sent = [
        app.send_task(name, kwargs={"session": stock.ARGUMENT}, queue="stock")
        for name in ("stock.done", "stock.failed")
    ]
    for one in sent:
        one.get(timeout=30, propagate=False)
    ended = '"state": "FAILURE"'
    eventually(lambda: ended in flower.get(f"/api/task/info/{sent[1].id}").body)

    found = [
        _found(flower, *_pages_of(one.id), f"/api/task/result/{one.id}") for one in sent
    ]

    done = flower.get(f"/api/task/result/{sent[0].id}").json["result"]
    failed = flower.get(f"/api/task/info/{sent[1].id}").json
    assert found == [set(), set()]
    assert done == {"session": "…", "proxy": "…", "n": 3}
    assert failed["exception"] == "ConfigurationError(…)"


def test_what_another_programs_worker_says_of_itself_is_not_told(
    flower: Flower, eventually: Eventually
) -> None:
    app, hold = flower.stack.app(), flower.stack.folder / stock.HOLD
    # Ours, which this process may have in its place, puts away what is for later.
    app.conf.broker_transport = "kombu.transport.redis:Transport"
    hold.touch()
    given: dict[str, Any] = {
        "args": [stock.ARGUMENT],
        "kwargs": {"password": stock.ARGUMENT},
        "queue": "stock",
    }
    sent = [app.send_task("stock.slow", **given) for _ in range(2)]
    sent.append(app.send_task("stock.slow", countdown=900, **given))
    of_worker = f"/api/workers?refresh=1&workername={_WORKER}"

    def held() -> list[int]:
        told = flower.get(of_worker).json[_WORKER]
        return [len(told.get(one, ())) for one in ("active", "reserved", "scheduled")]

    try:
        eventually(lambda: held() == [1, 1, 1])
        pages = (f"/worker/{_WORKER}", of_worker, "/api/workers", "/workers")
        found = _found(flower, *pages)
        told = flower.get(of_worker).json[_WORKER]
    finally:
        hold.unlink()

    assert found == set()
    assert told["active"][0]["kwargs"] == "{'password': '…'}"
    assert told["scheduled"][0]["request"]["args"] == "(…)"
    assert told["conf"]["task_default_queue"] == "stock"
    assert told["stats"]["broker"]["transport"] == "redis"


def test_it_is_ours_wherever_it_is_started(flower: Flower) -> None:
    assert flower.get("/sessions").status == 200
    assert not (flower.stack.folder / "flowerconfig.py").exists()
