"""A Redis of a test's own, to be frozen, killed and started."""

import signal
import subprocess
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from limpet.connection import connect
from limpet.embedded import server_command


class RedisServer:
    """It runs from the beginning; `close` ends it."""

    def __init__(self, port: int, folder: Path) -> None:
        self.url = f"redis://127.0.0.1:{port}"
        self._command = server_command(port, folder)
        self.start()

    @property
    def client(self) -> Redis:
        """An impatient client of database 1, where sessions are."""
        return connect(f"{self.url}/1", timeout=2, retries=0)

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it as a crash would, frozen or not."""
        self._process.kill()
        self._process.wait()
