"""When Redis is away, refuses, or has forgotten: one clear error, then recovery."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from limpet.connection import connect, require_no_eviction
from limpet.embedded import server_command
from limpet.errors import ConfigurationError, StoreUnavailable
from proxies import Proxy, ProxyPool
from proxies.store import ProxyStore
from sessions import SessionManager, SessionPolicy
from sessions.store import SessionStore


class Server:
    """A Redis of one test alone, which may be stopped and started."""

    def __init__(self, port: int, folder: Path) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        self.client = connect(self.url)
        self._command = server_command(port, folder)
        self.start()

    def start(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [*self._command, *options], stdout=subprocess.DEVNULL
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

    def manager(self, url: str = "") -> SessionManager:
        client = connect(url or self.url)
        store = SessionStore(client, "default", SessionPolicy())
        return SessionManager(
            "default", store, ProxyPool(ProxyStore(client, "default"))
        )


@pytest.fixture
def server(
    free_port: Callable[[], int], tmp_path: Path, eventually: Callable[..., None]
) -> Iterator[Server]:
    made = Server(free_port(), tmp_path)
    eventually(made.answers)
    ProxyPool(ProxyStore(made.client, "default")).publish([Proxy("http", "p.test", 80)])
    yield made
    made.kill()


def test_bindings_survive_a_killed_server(
    server: Server, eventually: Callable[..., None]
) -> None:
    manager = server.manager()
    manager.release(manager.acquire("s", hold=30), cookies=[{"name": "c"}])
    server.client.bgrewriteaof()
    eventually(
        lambda: server.client.info("persistence")["aof_rewrite_in_progress"] == 0
    )

    server.kill()
    with pytest.raises(StoreUnavailable, match="cannot reach Redis"):
        manager.acquire("s", hold=30)
    server.start()
    eventually(server.answers)

    lease = manager.acquire("s", hold=30)
    assert (lease.created, lease.state.cookies) == (False, [{"name": "c"}])


def test_flushed_scripts_are_loaded_again(server: Server) -> None:
    manager = server.manager()
    manager.release(manager.acquire("s", hold=30))

    server.client.script_flush()

    manager.release(manager.acquire("s", hold=30))


def test_a_full_server_refuses_and_recovers(server: Server) -> None:
    manager = server.manager()
    server.client.config_set("maxmemory", 1)

    with pytest.raises(StoreUnavailable, match="out of memory"):
        manager.acquire("s", hold=30)
    server.client.config_set("maxmemory", 0)

    assert manager.acquire("s", hold=30).created


def test_a_wrong_password_is_named_without_being_shown(server: Server) -> None:
    server.client.config_set("requirepass", "right")
    url = server.url.replace("//", "//:wr0ng@")

    with pytest.raises(StoreUnavailable, match="password") as caught:
        server.manager(url).acquire("s", hold=30)

    assert "wr0ng" not in str(caught.value)


def test_a_replica_is_refused(server: Server) -> None:
    server.client.config_set("replica-read-only", "yes")
    server.client.replicaof("127.0.0.1", "1")

    with pytest.raises(StoreUnavailable, match="read-only"):
        server.manager().acquire("s", hold=30)


def test_a_lost_reply_leaves_one_lease(server: Server) -> None:
    retry = Retry(ConstantBackoff(0.05), 20)
    impatient = Redis.from_url(server.url, socket_timeout=0.3, retry=retry)
    store = SessionStore(impatient, "default", SessionPolicy())
    manager = SessionManager(
        "default", store, ProxyPool(ProxyStore(impatient, "default"))
    )
    impatient.ping()
    manager.release(manager.acquire("warm", hold=30))

    server.process.send_signal(signal.SIGSTOP)
    waker = subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {server.process.pid}"])
    try:
        lease = manager.acquire("s", hold=30)
    finally:
        waker.wait()

    assert server.manager().stats().leases == 1
    assert manager.release(lease, cookies=[]) == 1
    assert server.manager().stats().leases == 0


def test_a_server_that_evicts_is_refused(server: Server) -> None:
    server.client.config_set("maxmemory-policy", "allkeys-lru")

    with pytest.raises(ConfigurationError, match="LIMPET_ALLOW_EVICTION"):
        require_no_eviction(server.client)
