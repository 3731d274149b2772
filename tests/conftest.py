"""What the tests share: a real Redis, a real lab, and real workers."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hypothesis
import pytest
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
from tests.stack import Stack
from tests.warm import Warm

# No deadline: the machine may be busy. Properties are about facts, not about speed.
hypothesis.settings.register_profile("limpet", deadline=None)
hypothesis.settings.load_profile("limpet")

Eventually = Callable[..., None]

#: Folders with files that take a minute and more, most of which is waiting.
_LONG = frozenset({"browser", "chaos", "integration", "upkeep"})


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

    def wait(holds: Callable[[], bool], *, within: float = 30) -> None:
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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Else, where files are shared out, the last one may be one of minutes, for which
    # all others wait. The order within is left as it is: by chance.
    items.sort(key=lambda item: item.path.parent.name not in _LONG)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show of a failed test what its processes have said last."""
    report = yield
    given = getattr(item, "funcargs", {}).values() if report.failed else ()
    for stack in given:
        if isinstance(stack, Stack):
            report.sections += stack.said()
    return report


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
