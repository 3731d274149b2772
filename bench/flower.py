"""What a look costs in Flower: of ours, at 100k sessions, and of Flower's own pages.

Two Flowers run: ``celery -A tasks flower``, and one of a plain Celery with no
configuration. ``data_p95_ms`` is what an open Sessions page asks for again and again,
at any place of the table; ``metrics_ms`` a scrape that nobody has asked for lately, so
all is looked at anew; ``workers_ratio`` Flower's own page ``/workers`` in ours beside
the plain one, in turns.
"""

import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import Final

# Run as a file, Python looks for modules in bench/ only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import rig, stock
from sessions import Reason

ROOT: Final = Path(__file__).resolve().parent.parent
_SESSIONS: Final = 100_000
_ON_A_PAGE: Final = 25
#: Seconds after which a look at everything is made anew.
_STALE: Final = 2.2
#: Pages of one turn.
_IN_TURN: Final = 10
_GOALS: Final = {
    "data_p95_ms": rig.Goal("at most 5", 5, most=True),
    "metrics_ms": rig.Goal("at most 10", 10, most=True),
    "workers_ratio": rig.Goal("at most 1.10", 1.1, most=True),
}


class Site:
    """A Flower, asked over one connection."""

    def __init__(self, port: int) -> None:
        self._line = HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path: str) -> float:
        """Ask for a page; return the milliseconds that it took."""
        start = time.perf_counter()
        self._line.request("GET", path)
        answer = self._line.getresponse()
        answer.read()
        took = (time.perf_counter() - start) * 1000
        assert answer.status == 200, f"{path}: {answer.status}"
        return took

    def workers(self) -> None:
        for _ in range(_IN_TURN):
            self.get("/workers")

    def up(self) -> bool:
        try:
            self.get("/healthcheck")
        except OSError:
            self._line.close()
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _flower(
    environment: dict[str, str], folder: Path, *arguments: str
) -> Iterator[Site]:
    port = _free_port()
    own = {"FLOWER_PORT": str(port), "FLOWER_ADDRESS": "127.0.0.1"}
    celery = str(Path(sys.executable).parent / "celery")
    process = subprocess.Popen(
        [sys.executable, celery, *arguments, "flower"],
        env={**environment, **own},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        site, deadline = Site(port), time.monotonic() + 60
        while not site.up():
            assert process.poll() is None, "Flower has ended"
            assert time.monotonic() < deadline, "Flower does not answer"
            time.sleep(0.05)
        yield site
    finally:
        process.kill()
        process.wait()


def _data(ours: Site, calls: int) -> list[float]:
    last = _SESSIONS // _ON_A_PAGE
    paths = [
        f"/sessions/data?pool=default&page={random.randint(1, last)}&sort={order}"
        for order in ("first", "last") * (calls // 2)
    ]
    return [ours.get(path) for path in paths]


def _metrics(ours: Site, calls: int) -> list[float]:
    took = []
    for _ in range(calls):
        time.sleep(_STALE)
        took.append(ours.get("/metrics"))
    return took


def _workers(ours: Site, plain: Site, rounds: int) -> rig.Samples:
    samples = rig.Samples()
    sites = [("ours", ours), ("plain", plain)]
    for _ in range(rounds):
        samples.begin()
        # Who comes second finds the processor awake.
        sites.reverse()
        for name, site in sites:
            samples.time(name, _IN_TURN, site.workers)
    return samples


def measure(running: rig.Running, *, quick: bool) -> dict[str, float]:
    manager = stock.pool(running.client, "default", 1000)
    manager.release(manager.acquire(None, hold=5), close=Reason.CLOSED)
    stock.fill(manager, running.client, stock.names(_SESSIONS))
    base = f"redis://127.0.0.1:{running.port}"
    bare = {
        k: v for k, v in os.environ.items() if not k.startswith(("LIMPET_", "FLOWER_"))
    }
    with ExitStack() as opened:
        folder = Path(
            opened.enter_context(tempfile.TemporaryDirectory(prefix="limpet-"))
        )
        environment = {
            **bare,
            "LIMPET_REDIS_URL": f"{base}/0",
            "CELERY_BROKER_URL": f"{base}/1",
            "LIMPET_STATE_DIR": str(folder),
            "LIMPET_ENV_FILE": os.devnull,
            "PYTHONPATH": str(ROOT),
        }
        ours = opened.enter_context(_flower(environment, ROOT, "-A", "tasks"))
        broker = f"--broker={base}/2"
        plain = opened.enter_context(_flower(bare, folder, broker))
        for site in (ours, plain):
            site.workers()
        _data(ours, 20)
        calls = _data(ours, 300 if quick else 3000)
        workers = _workers(ours, plain, 25 if quick else 200)
        scrapes = _metrics(ours, 5 if quick else 40)
        floor = [ours.get("/healthcheck") for _ in range(100)]
        search = [ours.get("/sessions?pool=default&search=nosuch") for _ in range(3)]
    return {
        "data_p95_ms": quantiles(calls, n=20)[18],
        "data_p50_ms": median(calls),
        "healthcheck_ms": median(floor),
        "metrics_ms": median(scrapes),
        "workers_ratio": workers.ratio("ours", "plain"),
        "workers_ms": workers.micros("ours") / 1000,
        "search_without_a_hit_ms": median(search),
    }


def main(
    *,
    quick: rig.Quick = False,
    as_json: rig.AsJson = False,
    server: rig.Server = None,
) -> None:
    """Time looks at Flower, with 100,000 sessions.

    Examples: [bold]python bench/flower.py --quick[/] or
    [bold]python bench/flower.py --server embedded --json[/]
    """
    with rig.server(server) as running:
        figures = measure(running, quick=quick)
        rows = [(name, f"{value:.2f}") for name, value in figures.items()]
        rig.table(f"{running.name}, {_SESSIONS:,} sessions", ("figure", ""), rows)
    rig.finish(figures, _GOALS, as_json=as_json)


if __name__ == "__main__":
    rig.command(main)()
