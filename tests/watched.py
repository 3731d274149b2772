"""A master and a replica behind a Sentinel, which a test may kill."""

import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from limpet.embedded import server_binary


def copied(master_port: int, replica_port: int) -> bool:
    """Whether the replica has been told of all that the master has done.

    WAIT does not say it: it speaks of what its own connection wrote.
    """
    with Redis(port=master_port) as master, Redis(port=replica_port) as replica:
        told = master.info("replication")["master_repl_offset"]
        return bool(replica.info("replication")["slave_repl_offset"] >= told)


class Watched:
    """A master, a replica, and a Sentinel that watches them."""

    def __init__(self, folder: Path, ports: list[int], running: ExitStack) -> None:
        self.master_port, self.replica_port, self.port = ports
        self._folder, self._running = folder, running
        self.master = self._start("--port", str(self.master_port))
        replica = ("--replicaof", "127.0.0.1", str(self.master_port))
        self._start("--port", str(self.replica_port), *replica)
        file = folder / "sentinel.conf"
        file.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor shop 127.0.0.1 {self.master_port} 1\n"
            "sentinel down-after-milliseconds shop 1000\n"
            "sentinel failover-timeout shop 5000\n"
        )
        self._start(str(file), "--sentinel")

    def _start(self, *options: str) -> subprocess.Popen[bytes]:
        more = ("--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder))
        sentinel = "--sentinel" in options
        command = [server_binary(), *options, *(() if sentinel else more)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._running.enter_context(process)
        self._running.callback(process.kill)
        return process

    def knows_a_replica(self) -> bool:
        with suppress(RedisError), Redis(port=self.port) as client:
            found = client.execute_command("SENTINEL", "REPLICAS", "shop")
            with Redis(port=self.replica_port) as replica:
                up = replica.info("replication")["master_link_status"] == "up"
            return bool(found) and up
        return False

    def cut_off(self, nobody: int) -> None:
        """Let the replica hear nothing more of what the master is told.

        It is told to follow *nobody*, a port that is closed; Sentinel still takes it
        for a replica that has been close enough.
        """
        with Redis(port=self.replica_port) as replica:
            replica.replicaof("127.0.0.1", nobody)

    def promoted(self) -> bool:
        with suppress(RedisError), Redis(port=self.replica_port) as replica:
            return bool(replica.info("replication")["role"] == "master")
        return False
