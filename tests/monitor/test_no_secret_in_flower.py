"""What is planted in jobs, proxies and settings is nowhere in Flower, whoever sent it.

And it is found everywhere by the same search, once what leaves it out is turned off.
"""

import base64
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest
from flower import urls

from lab import Lab
from limpet import database
from tests.conftest import Eventually, _free_port
from tests.monitor.cluster import LOGIN, PLANTED, Cluster
from tests.monitor.conftest import Flower
from tests.monitor.listening import listening
from tests.redis_server import RedisServer
from tests.stack import Stack
from tests.warm import Warm

#: What has to be found when nothing is left out; the others never get as far.
FOUND_WHEN_OPEN: Final = {
    *("header", "cookie", "params", "query", "form", "json", "webhook"),
    *("argument", "result", "exception", "sent", "proxy argument", "session"),
    *("method", "country", "timeout", "name", "broken url"),
}
#: Pages that Flower has for a browser to ask for, and those that only do something.
_ASKED: Final = {
    *("/", "/workers", "/worker/(.+)", "/task/(.+)", "/tasks", "/tasks/datatable"),
    *("/broker", "/api/workers", "/api/tasks", "/api/task/types"),
    *("/api/queues/length", "/api/task/info/(.*)", "/api/task/apply/(.+)"),
    *("/api/task/result/(.+)", "/metrics", "/healthcheck"),
}
_DONE: Final = {
    *("/static/(.*)", "/login/?", "/logout", ".*"),
    *("/api/task/async-apply/(.+)", "/api/task/send-task/(.+)"),
    *("/api/task/abort/(.+)", "/api/task/timeout/(.+)", "/api/task/rate-limit/(.+)"),
    "/api/task/revoke/(.+)",
    *(f"/api/worker/{one}/(.+)" for one in ("shutdown", "pool/restart", "pool/grow")),
    *("/api/worker/pool/shrink/(.+)", "/api/worker/pool/autoscale/(.+)"),
    *("/api/worker/queue/add-consumer/(.+)", "/api/worker/queue/cancel-consumer/(.+)"),
}


@dataclass
class Told:
    """All that was told, by where; *texts* of which were read whole."""

    texts: dict[str, str] = field(default_factory=dict)

    def where(self) -> dict[str, set[str]]:
        """Return what was found, and where."""
        found: dict[str, set[str]] = {}
        for where, text in self.texts.items():
            for name, word in PLANTED.items():
                if word in text:
                    found.setdefault(name, set()).add(where)
        return found


@contextmanager
def _cluster(
    folder: Path, warm: Warm, eventually: Eventually, lab: Lab, **environment: str
) -> Iterator[Cluster]:
    with ExitStack() as opened:
        server = RedisServer(_free_port(), folder)
        opened.callback(server.close)
        eventually(server.answers)
        server.client.config_set("requirepass", PLANTED["broker"])
        url = server.url.replace("//", f"//:{PLANTED['broker']}@")
        stack = Stack(0, folder, warm)
        opened.callback(stack.close)
        stack.redis_url, stack.broker_url = f"{url}/1", f"{url}/0"
        port = _free_port()
        stack.environment |= {
            "LIMPET_REDIS_URL": stack.redis_url,
            "CELERY_BROKER_URL": stack.broker_url,
            "LIMPET_JOB_MAX_TRIES": "2",
            "LIMPET_PROXY_MAX_FAILURES": "100",
            "LIMPET_WEBHOOK_SECRET": "x" * 40,
            "LIMPET_WEBHOOK_MAX_TRIES": "1",
            "FLOWER_PORT": str(port),
            "FLOWER_BASIC_AUTH": LOGIN,
            "FLOWER_PERSISTENT": "true",
            "FLOWER_DB": str(folder / "flower"),
            **environment,
        }
        assert stack.manage("migrate").returncode == 0
        lines = "\n".join(proxy.line for proxy in lab.proxies)
        assert stack.manage("proxies", "import", "-", stdin=lines).returncode == 0
        login = base64.b64encode(LOGIN.encode()).decode()
        flower = Flower(port, stack, headers={"Authorization": f"Basic {login}"})
        yield Cluster(stack, flower, lab)


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory,
    warm: Warm,
    eventually: Eventually,
    lab: Lab,
) -> Callable[..., Told]:
    """Have everything done and asked for, with the environment that is given."""

    def told(name: str, **environment: str) -> Told:
        folder = tmp_path_factory.mktemp(name)
        with _cluster(folder, warm, eventually, lab, **environment) as cluster:
            return _all_of_it(cluster, eventually)

    return told


def _all_of_it(cluster: Cluster, eventually: Eventually) -> Told:
    stack, flower, found = cluster.stack, cluster.flower, Told()
    process = cluster.celery("flower")
    eventually(flower.up, within=60)
    worker = cluster.celery("worker", "-c", "2", "-n", "leaky@test")
    eventually(lambda: bool(cluster.app.control.ping(timeout=0.5)), within=60)
    with listening(cluster.app) as events:
        cluster.work()
        found.texts["apply"] = cluster.applied()
        cluster.hold()
        eventually(lambda: "shop/slow" in str(cluster.app.control.inspect().active()))
        known = {"task-received", "task-succeeded", "task-failed"}
        eventually(lambda: known <= {str(one["type"]) for one in events})
        held = [one["uuid"] for one in events if one["type"] == "task-received"]
        eventually(lambda: held[-1] in flower.get("/api/tasks").body, within=20)
        eventually(lambda: "leaky@test" in flower.get("/api/workers?refresh=1").body)
        found.texts |= cluster.pages()
        found.texts["inspect"] = cluster.inspected()
    # A producer tells by itself what it sends, as its own settings say.
    found.texts["events"] = repr([e for e in events if e["type"] != "task-sent"])
    worker.kill()
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    states = [one for one in stack.folder.glob("flower*") if one.suffix != ".log"]
    raw = b"".join(one.read_bytes() for one in states if one.is_file())
    assert b"leaky@test" in raw
    found.texts["persisted"] = raw.decode("latin-1")
    database.engine(f"sqlite:///{stack.folder}/limpet.db").dispose()
    return found


def test_every_page_of_flower_is_among_those_that_are_searched() -> None:
    patterns = {
        one.regex.pattern.rstrip("$") if hasattr(one, "regex") else one[0]
        for one in urls.handlers
    }

    assert patterns - _ASKED - _DONE == set()


@pytest.mark.timeout(400)
def test_nothing_that_was_planted_is_told(run: Callable[..., Told]) -> None:
    told = run("closed")

    assert told.where() == {}
    assert "127.0.0.1" in told.texts["/api/tasks"]
    assert "/echo" in told.texts["/api/tasks"]
    assert quote("p@ss", safe="") == PLANTED["proxy"]


@pytest.mark.timeout(400)
def test_the_same_search_finds_it_where_nothing_is_left_out(
    run: Callable[..., Told],
) -> None:
    told = run("open", LEAKY="1")

    found = told.where()
    assert found.keys() >= FOUND_WHEN_OPEN
    assert {"/api/tasks", "events", "inspect", "persisted"} <= found["query"]
    assert any(one.startswith("/api/task/result") for one in found["result"])
    assert "apply" in found["result"]
