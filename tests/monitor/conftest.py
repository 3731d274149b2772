"""A real Flower, with workers and beat, on a session Redis of its own."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from history.snapshots import Snapshots
from history.store import HistoryStore
from proxies import Proxy, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import SessionManager
from sessions.store import SessionStore
from tests.conftest import Eventually
from tests.redis_server import RedisServer
from tests.stack import Stack
from tests.warm import Warm

#: Planted: in a password, a cookie, a header and a query.
SECRET = "S3cretCanary"


@dataclass(frozen=True)
class Answer:
    """What a page answered, and after how many seconds."""

    status: int
    headers: dict[str, str]
    body: str
    took: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Flower:
    """The process's pages; *stack* and *server* are what it looks at.

    *headers* go with every request.
    """

    def __init__(
        self,
        port: int,
        stack: Stack,
        server: RedisServer | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.port = port
        self._base = f"http://127.0.0.1:{port}"
        self._headers = headers or {}
        self._server = server
        self.stack = stack

    @property
    def server(self) -> RedisServer:
        assert self._server is not None
        return self._server

    def get(self, path: str, method: str = "GET", body: bytes | None = None) -> Answer:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(
            self._base + path, method=method, data=body, headers=self._headers
        )
        start = time.monotonic()
        try:
            answer: Any = opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text: str = answer.read().decode()
        took = time.monotonic() - start
        return Answer(answer.status, dict(answer.headers), text, took)

    def up(self) -> bool:
        try:
            return self.get("/healthcheck").status == 200
        except OSError:
            return False

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Return the samples of `/metrics` by name and labels."""
        families = text_string_to_metric_families(self.get("/metrics").body)
        return {
            (one.name, frozenset(one.labels.items())): one.value
            for family in families
            for one in family.samples
        }

    def names(self) -> set[str]:
        return {name for name, _ in self.metrics()}

    def health(self) -> dict[str, str]:
        """Return the status of each check."""
        checks = self.get("/healthz").json["checks"]
        return {
            ":".join(filter(None, (one["check"], one["pool"]))): one["status"]
            for one in checks
        }


@pytest.fixture(scope="module")
def flower(
    redis_port: int,
    tmp_path_factory: pytest.TempPathFactory,
    warm: Warm,
    eventually: Eventually,
) -> Iterator[Flower]:
    from tests.conftest import _free_port  # noqa: PLC0415 - its fixture is for one test

    server = RedisServer(_free_port(), tmp_path_factory.mktemp("sessions"))
    stack = Stack(redis_port, tmp_path_factory.mktemp("flower"), warm)
    stack.environment |= {
        "LIMPET_REDIS_URL": f"{server.url}/1",
        "LIMPET_HEALTH_TIMEOUT_SECONDS": "2",
        "LIMPET_SNAPSHOT_INTERVAL_SECONDS": "1",
        "LIMPET_STATE_DIR": str(stack.folder),
    }
    eventually(server.answers)
    try:
        assert stack.manage("migrate").returncode == 0
        port = _free_port()
        stack.celery("flower", log="flower", FLOWER_PORT=str(port))
        made = Flower(port, stack, server)
        eventually(made.up, within=60)
        yield made
    finally:
        stack.close()
        server.close()


def add_snapshot(flower: Flower) -> None:
    """Write down what the pool holds, as beat has it done."""
    client = flower.server.client
    proxies = ProxyPool(ProxyStore(client, "shop"))
    sessions = SessionManager("shop", SessionStore(client, "shop"), proxies)
    Snapshots(HistoryStore(client)).take(sessions, proxies, {"disabled": 2})


@pytest.fixture
def pool(flower: Flower, eventually: Eventually) -> SessionManager:
    """A pool of five proxies and a session, with secrets in all that may have one."""
    client = flower.server.client
    client.flushall()
    proxies = ProxyPool(ProxyStore(client, "shop"))
    proxies.publish(
        [
            ProxyRecord(Proxy("http", f"127.0.8.{n}", 8080, f"u-{SECRET}", SECRET))
            for n in range(5)
        ]
    )
    manager = SessionManager("shop", SessionStore(client, "shop"), proxies)
    lease = manager.acquire("one", hold=30)
    manager.release(lease, elapsed=0.2, url=f"http://shop.example/p?key={SECRET}")
    return manager
