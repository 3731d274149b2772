"""A Redis Cluster of three masters, of which the one with our pool has a replica."""

import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from limpet.embedded import server_command
from tests.sessions.conftest import debian

_SLOTS = 16_384
_MASTERS = 3
#: Of ``{default}``.
_OURS = "{default}:x"


class ReplicatedCluster:
    """Four servers; *master_port* is that of the master with the pool ``default``."""

    def __init__(
        self, folder: Path, free_port: Callable[[], int], running: ExitStack
    ) -> None:
        self._ports = [free_port() for _ in range(_MASTERS + 1)]
        buses = [free_port() for _ in self._ports]
        processes = []
        for port, bus in zip(self._ports, buses, strict=True):
            command = server_command(port, folder / str(port))
            command[0] = debian()
            command += ["--cluster-enabled", "yes", "--cluster-port", str(bus)]
            command += ["--cluster-node-timeout", "1000"]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            running.enter_context(process)
            running.callback(process.kill)
            processes.append(process)
        self._until(lambda: all(_asked(port, "INFO") for port in self._ports))
        self._share_out(buses)
        slot = int(_asked(self._ports[0], "KEYSLOT", _OURS))
        number = min(slot // -(-_SLOTS // _MASTERS), _MASTERS - 1)
        self.master, self.master_port = processes[number], self._ports[number]
        self.replica_port = self._ports[-1]
        whose = _asked(self.master_port, "MYID").decode()
        self._until(lambda: _asked(self.replica_port, "REPLICATE", whose) == b"OK")
        # One that goes on when the master dies: the first that a client asks.
        self.url = f"redis://127.0.0.1:{self._ports[(number + 1) % _MASTERS]}/0"

    def knows_a_replica(self) -> bool:
        """Whether the replica is level with its master, and everybody knows of it."""
        with suppress(RedisError), Redis(port=self.replica_port) as replica:
            up = replica.info("replication").get("master_link_status") == "up"
            good = b"cluster_state:ok"
            return up and all(good in _asked(port, "INFO") for port in self._ports)
        return False

    def cut_off(self, _nobody: int) -> None:
        """Let the replica hear nothing more of what the master is told.

        The master wants a password that the replica does not have, and has hung up.
        """
        with Redis(port=self.master_port) as master:
            master.config_set("repl-timeout", 3600)
            master.config_set("requirepass", "none-that-the-replica-has")
            master.execute_command("CLIENT", "KILL", "TYPE", "replica")

    def promoted(self) -> bool:
        with suppress(RedisError), Redis(port=self.replica_port) as replica:
            return bool(replica.info("replication")["role"] == "master")
        return False

    def _share_out(self, buses: list[int]) -> None:
        step = -(-_SLOTS // _MASTERS)
        for number, port in enumerate(self._ports[:_MASTERS]):
            last = min((number + 1) * step, _SLOTS) - 1
            _asked(port, "ADDSLOTSRANGE", number * step, last)
            _asked(port, "SET-CONFIG-EPOCH", number + 1)
        for port, bus in zip(self._ports[1:], buses[1:], strict=True):
            _asked(self._ports[0], "MEET", "127.0.0.1", port, bus)
        known = f"cluster_known_nodes:{len(self._ports)}".encode()
        self._until(lambda: all(known in _asked(port, "INFO") for port in self._ports))

    def _until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline, "the cluster does not come together"
            time.sleep(0.05)


def _asked(port: int, *words: str | int) -> Any:
    """Return what a node answers to ``CLUSTER …``; nothing, if that is an error."""
    with suppress(RedisError), Redis(port=port) as node:
        return node.execute_command("CLUSTER", *words)
    return b""
