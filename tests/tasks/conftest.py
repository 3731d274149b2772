"""Leases on the lab's own proxies, and proxies that are not there to help."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from redis import Redis

from proxies import Proxy, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import Lease, SessionManager
from sessions.store import SessionStore
from tasks.http import Fetcher


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
def fetcher() -> Fetcher:
    return Fetcher(user_agent="limpet-test")


@pytest.fixture
def proxy_with() -> Iterator[Callable[[str], int]]:
    """Start a proxy for user ``üser`` with a password; return its port."""
    with ExitStack() as running:

        def start(password: str) -> int:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "lab.proxy", "--exit-address", "127.0.7.9"),
                    *("--user", "üser", "--password", password),
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
