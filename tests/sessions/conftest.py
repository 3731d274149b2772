"""The servers that the engine has to hold on, each started by the tests.

``embedded`` is the one that comes along (6.2), ``redis7`` is Debian's redis-server,
``cluster`` is three of those.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest
from redis import Redis
from redis.exceptions import RedisError

from limpet.connection import connect
from limpet.embedded import server_command
from limpet.keys import PERMANENT
from proxies import HealthPolicy, Proxy, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import SessionManager, SessionPolicy
from sessions.store import SessionStore

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("embedded", "redis7", "cluster")
_SLOTS = 16_384
_NODES = 3

Eventually = Callable[..., None]
Ports = Callable[[], int]


def debian() -> str:
    # The wheel of the embedded server may have put one of its own beside Python.
    ours = Path(sys.executable).parent
    folders = [part for part in os.environ["PATH"].split(":") if Path(part) != ours]
    found = shutil.which("redis-server", path=":".join(folders))
    if found is None:
        reason = "there is no redis-server: apt-get install redis-server"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return found


class Server:
    """A Redis, or a cluster of three, which may be frozen, killed and started."""

    def __init__(self, kind: str, free_port: Ports, folder: Path) -> None:
        self.kind = kind
        self.cluster = kind == "cluster"
        self.ports = [free_port() for _ in range(_NODES if self.cluster else 1)]
        self.url = f"redis://127.0.0.1:{self.ports[0]}/0"
        self._commands = [
            server_command(port, folder / str(port)) for port in self.ports
        ]
        self._buses = [free_port() for _ in self.ports] if self.cluster else []
        if kind != "embedded":
            for command in self._commands:
                command[0] = debian()
        for command, bus in zip(self._commands, self._buses, strict=False):
            command += ["--cluster-enabled", "yes", "--cluster-port", str(bus)]
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self.start()
            if self.cluster:
                self._join()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and return once it answers."""
        for command in self._commands:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            self.processes.append(process)
        deadline = time.monotonic() + 10
        while not all(_answers(node) for node in self.nodes):
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.02)

    def stop(self) -> None:
        """Let it write down what it has, and end."""
        for process in self.processes:
            process.terminate()
            process.wait()
        self.processes = []

    def kill(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes = []

    def freeze(self, seconds: float) -> subprocess.Popen[bytes]:
        """Stop every process, and let another one wake them after *seconds*."""
        pids = " ".join(str(process.pid) for process in self.processes)
        for process in self.processes:
            process.send_signal(signal.SIGSTOP)
        return subprocess.Popen(["sh", "-c", f"sleep {seconds}; kill -CONT {pids}"])

    @property
    def nodes(self) -> list[Redis]:
        return [connect(f"redis://127.0.0.1:{port}/0") for port in self.ports]

    @property
    def client(self) -> Redis:
        return connect(self.url, cluster=self.cluster)

    def manager(
        self,
        *,
        client: Redis | None = None,
        health: HealthPolicy | None = None,
        margin: float = 15,
        **policy: Any,
    ) -> SessionManager:
        return SessionManager(
            "default",
            SessionStore(client or self.client, "default", health=health),
            ProxyPool(ProxyStore(client or self.client, "default")),
            policy=SessionPolicy(**policy),
            margin=margin,
        )

    def crew(self, program: str, count: int, *arguments: object) -> list[Any]:
        """Let *count* processes run ``work(number)`` of *program* at the same time.

        Returns what each one returned, which must be fit for JSON.
        """
        source = program + _CREW
        options = map(str, (self.url, int(self.cluster), count, *arguments))
        done = subprocess.run(
            [sys.executable, "-c", source, *options],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        results: list[Any] = json.loads(done.stdout)
        return results

    def _join(self) -> None:
        nodes = self.nodes
        step = -(-_SLOTS // len(nodes))
        for number, node in enumerate(nodes):
            last = min((number + 1) * step, _SLOTS) - 1
            _cluster(node, "ADDSLOTSRANGE", number * step, last)
            _cluster(node, "SET-CONFIG-EPOCH", number + 1)
        for port, bus in zip(self.ports[1:], self._buses[1:], strict=True):
            _cluster(nodes[0], "MEET", "127.0.0.1", port, bus)
        deadline = time.monotonic() + 20
        while not all(_joined(node) for node in nodes):
            assert time.monotonic() < deadline, "the nodes do not find each other"
            time.sleep(0.05)


#: Ends every program of `Server.crew`; it begins by importing what its work needs.
_CREW = """
import json
from multiprocessing import get_context

fork = get_context("fork")
barrier = fork.Barrier(int(sys.argv[3]))

def start(number):
    barrier.wait()
    return work(number)

with fork.Pool(int(sys.argv[3])) as pool:
    print(json.dumps(pool.map(start, range(int(sys.argv[3])), 1)))
"""


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


def _cluster(node: Redis, *words: str | int) -> Any:
    return node.execute_command("CLUSTER", *words)  # type: ignore[no-untyped-call] # redis-py


def _joined(node: Redis) -> bool:
    info = _cluster(node, "INFO").decode().split()
    wanted = {
        "cluster_state:ok",
        f"cluster_slots_ok:{_SLOTS}",
        f"cluster_known_nodes:{_NODES}",
    }
    return wanted <= set(info)


@pytest.fixture(scope="session")
def _running(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str, Ports], Server]]:
    """Start one server of each kind, when it is first asked for."""
    made: dict[str, Server] = {}

    def get(kind: str, free_port: Ports) -> Server:
        if kind not in made:
            new = Server(kind, free_port, tmp_path_factory.mktemp(kind))
            made[kind] = stack.enter_context(new)
        return made[kind]

    with ExitStack() as stack:
        yield get


@pytest.fixture(params=KINDS)
def server(
    request: pytest.FixtureRequest,
    _running: Callable[[str, Ports], Server],
    free_port: Ports,
    records: list[ProxyRecord],
) -> Iterator[Server]:
    """Give a server of each kind, with five proxies; see that no key was left."""
    running = _running(request.param, free_port)
    running.client.flushall()
    ProxyPool(ProxyStore(running.client, "default")).publish(records)
    yield running
    names = [key.decode() for key in running.client.scan_iter(count=1000)]
    assert [
        name
        for name in names
        if not PERMANENT.match(name) and running.client.ttl(name) == -1
    ] == []


@pytest.fixture(params=KINDS[:2])
def own_server(
    request: pytest.FixtureRequest, free_port: Ports, tmp_path: Path
) -> Iterator[Server]:
    """Give a plain server of this test alone, with one proxy."""
    yield from _own(request.param, free_port, tmp_path)


@pytest.fixture
def own_cluster(free_port: Ports, tmp_path: Path) -> Iterator[Server]:
    """Give a cluster of this test alone, with one proxy."""
    yield from _own("cluster", free_port, tmp_path)


def _own(kind: str, free_port: Ports, folder: Path) -> Iterator[Server]:
    with Server(kind, free_port, folder) as made:
        pool = ProxyPool(ProxyStore(made.client, "default"))
        pool.publish([ProxyRecord(Proxy("http", "p.test", 80))])
        yield made
