"""What jobs are timed on: a site, proxies, a Redis and workers, each a process."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from celery import Celery

from bench.rig import Running
from lab.lab import PASSWORD
from limpet.client import Handle, Limpet, ManyPages, Page, RenderedPage
from limpet.connection import connect
from limpet.sealing import Sealer
from proxies import ProxyPool
from proxies.proxy import parse_proxy
from proxies.record import ProxyRecord
from proxies.store import ProxyStore

ROOT: Final = Path(__file__).resolve().parent.parent
_PROXIES: Final = 2
#: A job that was sent.
Job = Handle[Page] | Handle[ManyPages] | Handle[RenderedPage]
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Took:
    """One run: pages a second, CPU ms a page of who did it, connections opened."""

    rate: float
    cpu_ms: float
    connections: int


class Bench:
    """Everything; workers come and go."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._open = ExitStack()
        self._workers: list[subprocess.Popen[bytes]] = []
        self._queue = ""

    def __enter__(self) -> Self:
        folder = self._open.enter_context(tempfile.TemporaryDirectory(prefix="limpet-"))
        self.folder = Path(folder)
        self.site = f"http://127.0.0.1:{self._spawn('bench.jobs_site')}"
        self.proxies = [self._proxy(n) for n in range(1, _PROXIES + 1)]
        base = f"redis://127.0.0.1:{self._running.port}"
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("LIMPET_")},
            "LIMPET_REDIS_URL": f"{base}/1",
            "CELERY_BROKER_URL": f"{base}/0",
            "LIMPET_STATE_DIR": str(self.folder),
            "LIMPET_ENV_FILE": os.devnull,
            "LIMPET_ALLOW_PRIVATE_HOSTS": "127.0.0.0/8",
            "LIMPET_JOB_MAX_AGE_SECONDS": "600",
            "LIMPET_LOG_LEVEL": "WARNING",
            "PYTHONPATH": str(ROOT),
        }
        self.app = Celery(broker=f"{base}/0")
        self._broker = connect(f"{base}/0")
        self.client = self._open.enter_context(Limpet(f"{base}/0"))
        self._sessions = connect(f"{base}/1")
        self.publish(*self.proxies)
        return self

    def __exit__(self, *_error: object) -> None:
        self.end_workers()
        self.app.close()
        self._open.close()

    # --- workers ----------------------------------------------------------------

    def publish(self, *lines: str) -> None:
        """Have jobs go through these proxies, besides those that there are."""
        pool = ProxyPool(ProxyStore(self._sessions, "default"), sealer=Sealer())
        pool.publish([ProxyRecord(parse_proxy(line)) for line in lines])

    def workers(self, count: int, threads: int, *, queue: str = "scrape") -> None:
        """Have *count* workers of *threads* each, all ready."""
        self.end_workers()
        self._queue = queue
        celery = Path(sys.executable).with_name("celery")
        options = (
            f"-P threads -c {threads} -Q {queue} --without-gossip --without-mingle"
        )
        names = [f"w{n}@bench" for n in range(count)]
        for name in names:
            command = [str(celery), "-A", "tasks", "worker", *options.split()]
            log = self._open.enter_context((self.folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                [*command, "-n", name, "-l", "WARNING"],
                env=self._environment,
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            self._workers.append(process)
        deadline = time.monotonic() + 60
        while len(self.app.control.ping(destination=names, timeout=0.5) or ()) < count:
            assert time.monotonic() < deadline, "the workers do not start"

    def end_workers(self) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            try:
                worker.wait(60)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        self._workers.clear()

    def cpu(self) -> float:
        """Return the seconds of CPU that the workers have used."""
        return sum(_cpu(worker.pid) for worker in self._workers)

    # --- jobs -------------------------------------------------------------------

    def run(self, pages: int, send: Callable[[Limpet], list[Job]]) -> Took:
        """Send jobs, let the workers do them, look at each result; time the middle.

        The workers sleep while the queue is filled: an app that enqueues, and one that
        reads results, would else have its share of the two processors.
        """
        self._signal(signal.SIGSTOP)
        sent = send(self.client)
        before, connections, start = self.cpu(), self.connections(), time.monotonic()
        self._signal(signal.SIGCONT)
        while self._broker.llen(self._queue) or self._broker.hlen("unacked"):
            time.sleep(0.005)
        took, cpu = time.monotonic() - start, self.cpu() - before
        fetched = sum(_pages(job) for job in sent)
        assert fetched == pages, f"{fetched} of {pages} pages were fetched"
        opened = self.connections() - connections
        return Took(pages / took, cpu * 1000 / pages, opened)

    def _signal(self, number: int) -> None:
        for worker in self._workers:
            worker.send_signal(number)

    def connections(self) -> int:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.site}/stats", timeout=10) as answer:
            return int(json.load(answer)["connections"])

    def _proxy(self, number: int) -> str:
        user = f"user{number}"
        asked = ["--user", user, "--password", PASSWORD]
        port = self._spawn("lab.proxy", *asked, "--exit-address", f"127.0.7.{number}")
        return f"http://{user}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"

    def _spawn(self, module: str, *arguments: str) -> int:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._open.callback(process.wait)
        self._open.callback(process.kill)
        assert process.stdout
        return int(process.stdout.readline().split()[1])


def _pages(job: Job) -> int:
    result = job.get(timeout=600)
    if isinstance(result, ManyPages):
        return sum(page.status == 200 for page in result.pages)
    return int(result.status == 200)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
