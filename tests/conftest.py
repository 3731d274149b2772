"""What the tests share: a real Redis, a real lab, and real workers."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from celery import Celery
from redis import Redis

from lab import Lab
from limpet.connection import connect
from limpet.embedded import server_command
from limpet.keys import PERMANENT
from limpet.sealing import Sealer
from proxies import HealthPolicy, Proxy, ProxyPool, ProxyRecord, Selection
from proxies.store import ProxyStore
from sessions import SessionManager, SessionPolicy
from sessions.store import SessionStore
from tests.warm import Warm

# No deadline: the machine may be busy. Properties are about facts, not about speed.
hypothesis.settings.register_profile("limpet", deadline=None)
hypothesis.settings.load_profile("limpet")

ROOT = Path(__file__).resolve().parent.parent

Eventually = Callable[..., None]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Return a port of loopback that nobody uses."""
    return _free_port


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """Wait until a condition holds; fail after a deadline in seconds."""

    def wait(holds: Callable[[], bool], *, within: float = 10) -> None:
        deadline = time.monotonic() + within
        while not holds():
            assert time.monotonic() < deadline, f"still not so after {within} s"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def redis_port(
    tmp_path_factory: pytest.TempPathFactory, eventually: Eventually
) -> Iterator[int]:
    """Run the embedded Redis for the whole session."""
    port = _free_port()
    command = server_command(port, tmp_path_factory.mktemp("redis"))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(answers)
    yield port
    process.kill()
    process.wait()


@pytest.fixture
def redis(redis_port: int) -> Iterator[Redis]:
    """Give an empty database, and see afterwards that no key was left to stay."""
    client = connect(f"redis://127.0.0.1:{redis_port}/1")
    client.flushall()
    yield client
    names = [key.decode() for key in client.scan_iter() if isinstance(key, bytes)]
    assert [
        name for name in names if client.ttl(name) < 0 and not PERMANENT.match(name)
    ] == []


RECORDS = [
    ProxyRecord(Proxy("http", f"127.0.8.{n}", 8080, "u", "pw")) for n in range(5)
]


@pytest.fixture
def records() -> list[ProxyRecord]:
    """Return the proxies that `pool` has."""
    return RECORDS


@pytest.fixture
def pool(redis: Redis) -> ProxyPool:
    """Five proxies that nobody listens on: enough for all but fetching."""
    made = ProxyPool(ProxyStore(redis, "default"))
    made.publish(RECORDS)
    return made


@pytest.fixture
def manager_of(redis: Redis, pool: ProxyPool) -> Callable[..., SessionManager]:
    """Make managers of the pool with policies and a lease margin of the test's own."""

    def make(
        *,
        margin: float = 15,
        health: HealthPolicy | None = None,
        selection: Selection | None = None,
        sealer: Sealer | None = None,
        **policy: Any,
    ) -> SessionManager:
        return SessionManager(
            "default",
            SessionStore(redis, "default", health=health),
            pool,
            policy=SessionPolicy(**policy),
            selection=selection,
            sealer=sealer,
            margin=margin,
        )

    return make


@pytest.fixture
def manager(manager_of: Callable[..., SessionManager]) -> SessionManager:
    return manager_of()


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The site and five proxies; a test that kills one starts a lab of its own."""
    with Lab() as running:
        yield running


@pytest.fixture(autouse=True)
def _own_visits(request: pytest.FixtureRequest) -> None:
    """Let no test count the visits of another one of the same name."""
    if "lab" in request.fixturenames:
        request.getfixturevalue("lab").forget()


@pytest.fixture(scope="session")
def browser_module() -> str:
    """Name the fetcher over libcurl; skip, or fail under CI, where it is not."""
    if find_spec("curl_cffi"):
        return "tasks.curl"
    if os.environ.get("CI") == "true":
        pytest.fail("curl_cffi is missing: install the extra curl")
    pytest.skip("curl_cffi is not installed")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        # Flower 2.2 may hang when it is told to stop while it is still starting.
        process.kill()
        process.wait()


class Stack:
    """Processes of ours on a Redis and a state folder of their own."""

    def __init__(self, redis_port: int, folder: Path, warm: Warm) -> None:
        self._warm = warm
        self.redis_url = f"redis://127.0.0.1:{redis_port}/1"
        self.broker_url = f"redis://127.0.0.1:{redis_port}/0"
        self.folder = folder
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("LIMPET_")},
            "LIMPET_REDIS_URL": self.redis_url,
            "CELERY_BROKER_URL": self.broker_url,
            "LIMPET_STATE_DIR": str(folder),
            "LIMPET_ENV_FILE": os.devnull,
            # Where the lab is.
            "LIMPET_ALLOW_PRIVATE_HOSTS": "127.0.0.0/8",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
        }
        self._open = ExitStack()

    def run(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python …`` to its end."""
        return subprocess.run(
            [sys.executable, *arguments],
            env={**self.environment, **environment},
            cwd=ROOT,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def manage(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python manage.py …`` to its end, in a process that `Warm` forks."""
        return self._warm.run(
            ["manage.py", *arguments],
            stdin=stdin,
            env={**self.environment, **environment},
        )

    def celery(
        self, *arguments: str, log: str, **environment: str
    ) -> subprocess.Popen[str]:
        """Start ``celery -A tasks …``; its output goes to *log* in the folder."""
        celery = str(Path(sys.executable).parent / "celery")
        return self.python(celery, "-A", "tasks", *arguments, log=log, **environment)

    def python(
        self, *arguments: str, log: str, **environment: str
    ) -> subprocess.Popen[str]:
        """Start ``python …``; its output goes to *log* in the folder."""
        file = self._open.enter_context(self.log(log).open("w"))
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**self.environment, **environment},
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._open.callback(_stop, process)
        return process

    def worker(
        self, name: str = "worker", *options: str, **environment: str
    ) -> subprocess.Popen[str]:
        """Start a worker and wait until it answers."""
        quiet = ("--without-gossip", "--without-mingle", "-n", f"{name}@test")
        process = self.celery("worker", *quiet, *options, log=name, **environment)
        deadline = time.monotonic() + 30
        while not self.app().control.ping(destination=[f"{name}@test"], timeout=0.3):
            assert process.poll() is None, self.log(name).read_text()
            assert time.monotonic() < deadline, self.log(name).read_text()
        return process

    def app(self) -> Celery:
        """Return a plain Celery app, as any other program has."""
        return Celery(broker=self.broker_url, backend=self.broker_url)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def close(self) -> None:
        self._open.close()


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Give what forks for commands."""
    made = Warm()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_stack(
    redis_port: int, tmp_path_factory: pytest.TempPathFactory, warm: Warm
) -> Iterator[Stack]:
    """Processes of all tests of a module, which leave each other's keys alone."""
    with Redis(port=redis_port) as server:
        server.flushall()
        made = Stack(redis_port, tmp_path_factory.mktemp("stack"), warm)
        yield made
        made.close()
        server.flushall()


@pytest.fixture
def stack(redis: Redis, redis_port: int, tmp_path: Path, warm: Warm) -> Iterator[Stack]:
    """Processes of this test alone; the database is empty."""
    made = Stack(redis_port, tmp_path, warm)
    yield made
    made.close()
    # What Celery keeps in its own database is Celery's; ours is looked at by `redis`.
    with Redis(port=redis_port, db=0) as broker:
        broker.flushdb()
