"""Leases on the lab's own proxies, and proxies that are not there to help."""

import itertools
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import pytest
from redis import Redis

from lab.server import LabServer
from proxies import Proxy, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import Lease, SessionManager
from sessions.state import SessionState
from sessions.store import SessionStore
from tasks.fetching import Fetcher as PageFetcher
from tasks.guard import Guard
from tasks.http import Fetcher

#: Where the lab is.
LOOPBACK = Guard.allowing("127.0.0.0/8")


@pytest.fixture
def manager_on(redis: Redis) -> Callable[..., SessionManager]:
    """Make a manager of a pool that has just this proxy."""

    def make(proxy: Proxy, *, margin: float = 15) -> SessionManager:
        pool = ProxyPool(ProxyStore(redis, proxy.id))
        pool.publish([ProxyRecord(proxy)])
        return SessionManager(
            proxy.id, SessionStore(redis, proxy.id), pool, margin=margin
        )

    return make


@pytest.fixture
def lease_on(manager_on: Callable[..., SessionManager]) -> Callable[[Proxy], Lease]:
    """Lease a session that is bound to just this proxy."""
    return lambda proxy: manager_on(proxy).acquire("s", hold=30)


@pytest.fixture
def lease_of() -> Callable[[Proxy], Lease]:
    """Make a lease that no session stands behind: for what needs no Redis."""
    numbers = itertools.count()

    def make(proxy: Proxy) -> Lease:
        number = next(numbers)
        return Lease(
            pool="default",
            session=f"s{number}",
            token=f"t{number}",
            proxy=proxy,
            generation=1,
            incarnation=1,
            state=SessionState(),
            temporary=False,
            shared=False,
            created=True,
            moved=False,
        )

    return make


@pytest.fixture(scope="session")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the hostile site leaves the CA of its one good certificate."""
    return tmp_path_factory.mktemp("ca") / "ca.pem"


@pytest.fixture(scope="session")
def hostile(ca_file: Path) -> Iterator[dict[str, int]]:
    """The hostile site; its ports by name."""
    with LabServer("lab.hostile", "--ca", str(ca_file)) as running:
        yield running.ports


@pytest.fixture(scope="session")
def trouble() -> Iterator[dict[str, int]]:
    """Proxies that fail; their ports by the name of the failure."""
    with LabServer("lab.trouble") as running:
        yield running.ports


@pytest.fixture
def trusting(hostile: dict[str, int], ca_file: Path) -> Fetcher:
    """A fetcher that trusts the lab's CA."""
    return Fetcher(user_agent="limpet-test", guard=LOOPBACK, ca_file=str(ca_file))


@pytest.fixture
def browser(browser_module: str, hostile: dict[str, int], ca_file: Path) -> PageFetcher:
    """The fetcher over libcurl, trusting the lab's CA too."""
    made: PageFetcher = import_module(browser_module).CurlFetcher(
        impersonate="chrome", guard=LOOPBACK, ca_file=str(ca_file)
    )
    return made


@pytest.fixture
def fetcher() -> Fetcher:
    return Fetcher(user_agent="limpet-test", guard=LOOPBACK)


@pytest.fixture
def proxy_with() -> Iterator[Callable[..., int]]:
    """Start a proxy for user ``üser`` with a password; return its port."""
    with ExitStack() as running:

        def start(password: str, *more: str) -> int:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "lab.proxy", "--exit-address", "127.0.7.9"),
                    *("--user", "üser", "--password", password, *more),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            running.enter_context(process)
            running.callback(process.kill)
            assert process.stdout is not None
            return int(process.stdout.readline().split()[1])

        yield start


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue is full: who dials it gets no answer."""
    with ExitStack() as held:
        server = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port: int = server.getsockname()[1]
        for _ in range(2):
            caller = held.enter_context(socket.socket())
            caller.settimeout(0)
            caller.connect_ex(("127.0.0.1", port))
        yield port
