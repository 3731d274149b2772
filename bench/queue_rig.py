"""A broker that can be killed, a witness that is not, and workers of the app."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Self

from celery import Celery
from redis import Redis
from redis.exceptions import RedisError

from limpet.embedded import server_binary, server_command

ROOT: Final = Path(__file__).resolve().parent.parent
POOLS: Final = {
    "threads": ("-P", "threads", "-c", "20"),
    # Celery takes "prefork" for what it is by default, and our setting wins then.
    "prefork": ("-P", "processes", "-c", "2"),
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(holds: Callable[[], Any], *, within: float, step: float = 0.02) -> Any:
    """Return what *holds* does, once it is true; fail after *within* seconds."""
    deadline = time.monotonic() + within
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"still not so after {within} s")
        time.sleep(step)
    return found


class Server:
    """A Redis of one folder and port, which may come and go."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.port = free_port()
        self._folder = folder
        self._durable = durable
        self.client = Redis(port=self.port, socket_timeout=30)
        self.start()

    def url(self, database: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        command = server_command(self.port, self._folder)
        # With "everysec" even a kill of Redis alone loses what it wrote last, if the
        # disk is slow: while a sync is under way it keeps what comes for up to 2 s.
        command += ["--appendfsync", "always"]
        if not self._durable:
            command = [server_binary(), "--port", str(self.port), "--bind", "127.0.0.1"]
            command += ["--dir", str(self._folder), "--save", ""]
            self._folder.mkdir(exist_ok=True)
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(self._answers, within=20)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)


class Worker:
    """A worker and the processes of its pool."""

    def __init__(self, command: Sequence[str], env: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("w") as file:
            self._process = subprocess.Popen(
                command,
                env=env,
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self, *, within: float) -> int:
        """Wait until it ends by itself; return its exit code."""
        return self._process.wait(within)

    def kill(self) -> None:
        """Kill it and its pool, as the end of a machine does."""
        if self.alive:
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self, within: float = 30) -> int:
        """Ask it to end; return its exit code."""
        self._process.terminate()
        return self._process.wait(within)


class Rig:
    """Everything of one run, in a folder of its own."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._open = ExitStack()
        self.folder = folder
        self.broker = Server(folder / "broker", durable=durable)
        self._open.callback(self.broker.kill)
        self.witness = Server(folder / "witness", durable=False)
        self._open.callback(self.witness.kill)
        self.app = Celery(broker=self.broker.url(), backend=self.broker.url(1))
        self.app.conf.broker_transport_options = {
            "socket_timeout": 2,
            "socket_connect_timeout": 2,
        }
        self._workers = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.app.close()
        self._open.close()

    def worker(
        self,
        pool: str = "threads",
        *,
        queues: str = "scrape",
        options: Sequence[str] = (),
        **env: str,
    ) -> Worker:
        """Start a worker; nobody waits until it is ready."""
        self._workers += 1
        quiet = ("--without-gossip", "--without-mingle", "-n", f"w{self._workers}@rig")
        celery = (sys.executable, "-m", "celery", "-A", "bench.queue_app", "worker")
        mine = {k: v for k, v in os.environ.items() if not k.startswith("LIMPET_")}
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        environment = {
            **mine,
            "PYTHONPATH": str(ROOT),
            "LIMPET_ENV_FILE": os.devnull,
            "LIMPET_STATE_DIR": str(state),
            "LIMPET_REDIS_URL": self.witness.url(1),
            "CELERY_BROKER_URL": self.broker.url(),
            "CELERY_RESULT_BACKEND": self.broker.url(1),
            "WITNESS_URL": self.witness.url(),
            "LIMPET_LOG_LEVEL": "WARNING",
            **env,
        }
        command = [*celery, *quiet, *POOLS[pool], "-Q", queues, *options]
        log = self.folder / f"worker-{self._workers}.log"
        worker = Worker(command, environment, log)
        self._open.callback(worker.kill)
        return worker

    def ready(self, worker: Worker) -> None:
        """Wait until the last worker that was started answers."""
        name = f"w{self._workers}@rig"

        def answers() -> bool:
            if not worker.alive:
                raise RuntimeError(worker.log)
            return bool(self.app.control.ping(destination=[name], timeout=0.3))

        until(answers, within=60)

    def send(self, numbers: range, task: str = "bench.record") -> None:
        """Enqueue a job a number."""
        with self.app.producer_pool.acquire(block=True) as producer:
            for number in numbers:
                self.app.send_task(task, (number,), queue="scrape", producer=producer)

    def told(self, what: str = "done") -> list[int]:
        """Return the numbers of jobs that were ``started`` or ``done``, in order."""
        found: Any = self.witness.client.lrange(what, 0, -1)
        return [int(number) for number in found]

    def idle(self) -> bool:
        """Whether no job waits, and no worker holds one."""
        # At one moment: a message that moves between two looks would be in neither.
        with self.broker.client.pipeline(transaction=True) as look:
            for part in ("", "\x06\x163", "\x06\x166", "\x06\x169"):  # by priority
                look.llen(f"scrape{part}")
            look.hlen("unacked")
            look.hlen("unacked_waiting")
            return not any(look.execute())


@contextmanager
def rig(*, durable: bool = False) -> Iterator[Rig]:
    """Run a rig in a folder that is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="limpet-queue-"))
    try:
        with Rig(folder, durable=durable) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)
