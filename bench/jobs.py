"""How many pages a second jobs fetch, beside what people write by hand, and Scrapy.

One site (2 kB after 50 ms) and two real proxies on loopback; all sides take turns in
one run, and a ratio is the median over the turns. The thread pool is one process of 50
threads with a `requests.Session` a session; ours are two workers of 25 threads, as
shipped: with results and events. Scrapy has an environment of its own, which the first
run makes with pip, and its queue in Redis if scrapy-redis can be installed.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

# Run as a file, Python looks for modules in bench/ only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.progress import track

from bench import rig
from bench.jobs_rig import Bench, Job, Took
from bench.noop import noop_vs_stock
from limpet.client import Limpet

ROOT: Final = Path(__file__).resolve().parent.parent
_THREADS: Final = 50
_PEERS: Final = ("scrapy", "scrapy-redis")
_GOALS: Final = {
    "many_vs_pool": rig.Goal("at least 0.90", 0.90),
    "one_vs_pool": rig.Goal("at least 0.60", 0.60),
    "many_vs_scrapy": rig.Goal("at least 1.00", 1.0),
    "noop_vs_stock": rig.Goal("at least 4.0", 4.0),
}


@dataclass(frozen=True)
class Size:
    rounds: int
    pages: int
    sessions: int
    workers: tuple[int, ...] = ()
    spread: tuple[int, ...] = ()


_QUICK: Final = Size(2, 300, 50)
_FULL: Final = Size(5, 4000, 50, (1, 2, 4), (10, 100, 1000))


def _plain(bench: Bench, size: Size, sessions: int) -> Took:
    asked = [bench.site, size.pages, sessions, _THREADS, *bench.proxies]
    command = [sys.executable, "-m", "bench.jobs_plain", *map(str, asked)]
    return _theirs(bench, command, size.pages)


def _scrapy(bench: Bench, python: Path, redis: str, size: Size) -> Took:
    program = Path(__file__).with_name("jobs_scrapy.py")
    asked = [bench.site, size.pages, size.sessions, _THREADS, redis, *bench.proxies]
    return _theirs(bench, [str(python), str(program), *map(str, asked)], size.pages)


def _theirs(bench: Bench, command: list[str], pages: int) -> Took:
    before = bench.connections()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    said = json.loads(done.stdout.splitlines()[-1])
    opened = bench.connections() - before
    return Took(pages / said["seconds"], said["cpu"] * 1000 / pages, opened)


def _many(bench: Bench, size: Size, sessions: int) -> Took:
    def send(client: Limpet) -> list[Job]:
        return [
            client.scrape_many(
                [f"{bench.site}/{n}" for n in range(at, size.pages, sessions)],
                session=f"many-{sessions}-{at}",
            )
            for at in range(sessions)
        ]

    return bench.run(size.pages, send)


def _one(bench: Bench, size: Size, sessions: int) -> Took:
    def send(client: Limpet) -> list[Job]:
        return [
            client.scrape(f"{bench.site}/{n}", session=f"one-{sessions}-{n % sessions}")
            for n in range(size.pages)
        ]

    return bench.run(size.pages, send)


def _scrapy_home() -> Path | None:
    """Return a Python that has Scrapy; make its environment once."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(cache) / "limpet" / f"scrapy-{version}"
    python, ready = folder / "bin" / "python", folder / "ready"
    if ready.is_file():
        return python
    print(f"installing {' and '.join(_PEERS)} into {folder}", flush=True)
    pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([*pip, _PEERS[0]], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"Scrapy cannot be installed, so it is left out: {error}")
        return None
    if subprocess.run([*pip, _PEERS[1]], check=False).returncode:
        print("scrapy-redis cannot be installed: Scrapy keeps its queue in memory")
    ready.touch()
    return python


def _growth(bench: Bench, size: Size) -> Iterator[tuple[str, Took]]:
    for workers in size.workers:
        bench.workers(workers, 25)
        _many(bench, size, size.sessions)  # connections and processes warm up
        yield f"scrape_many, {workers} of 25 threads", _many(bench, size, size.sessions)
        yield f"scrape, {workers} of 25 threads", _one(bench, size, 500)
    if size.spread:
        bench.workers(2, 25)
    for sessions in size.spread:
        yield f"scrape_many, {sessions} sessions", _many(bench, size, sessions)


def measure(bench: Bench, redis: str, size: Size) -> dict[str, float]:
    """Let the sides take turns, print the tables, return figures."""
    python = _scrapy_home()
    held = min(500, size.pages // 2)
    bench.workers(2, _THREADS // 2)
    _many(bench, size, size.sessions)
    _one(bench, size, held)
    turns: list[dict[str, Took]] = []
    for _ in track(range(size.rounds), "pages", transient=True):
        turn = {
            "thread pool": _plain(bench, size, size.sessions),
            "scrape_many": _many(bench, size, size.sessions),
            "thread pool, a page at a time": _plain(bench, size, held),
            "scrape": _one(bench, size, held),
        }
        if python:
            turn["Scrapy"] = _scrapy(bench, python, redis, size)
        turns.append(turn)
    _table("pages", turns)
    grown = list(_growth(bench, size))
    if grown:
        _table("growth", [dict(grown)])
    bench.end_workers()

    def ratio(one: str, other: str) -> float:
        return median(turn[one].rate / turn[other].rate for turn in turns)

    figures = {
        "many_vs_pool": ratio("scrape_many", "thread pool"),
        "one_vs_pool": ratio("scrape", "thread pool, a page at a time"),
        "many_cpu_ms": median(turn["scrape_many"].cpu_ms for turn in turns),
        "one_cpu_ms": median(turn["scrape"].cpu_ms for turn in turns),
        "pool_cpu_ms": median(turn["thread pool"].cpu_ms for turn in turns),
    }
    if python:
        figures["many_vs_scrapy"] = ratio("scrape_many", "Scrapy")
        figures["one_vs_scrapy"] = ratio("scrape", "Scrapy")
        figures["scrapy_cpu_ms"] = median(turn["Scrapy"].cpu_ms for turn in turns)
    return figures


def _table(title: str, turns: list[dict[str, Took]]) -> None:
    rows = []
    for name in turns[0]:
        took = [turn[name] for turn in turns]
        rate, cpu = median(t.rate for t in took), median(t.cpu_ms for t in took)
        opened = median(t.connections for t in took)
        rows.append((name, f"{rate:.0f}", f"{cpu:.2f}", f"{opened:.0f}"))
    header = ("", "pages/s", "CPU ms a page", "connections opened")
    rig.table(title, header, rows)


def main(
    *,
    quick: rig.Quick = False,
    as_json: rig.AsJson = False,
    server: rig.Server = None,
) -> None:
    """Time jobs beside a thread pool, Scrapy, and the stock transport.

    Examples: [bold]python bench/jobs.py --quick[/] or
    [bold]python bench/jobs.py --json[/]
    """
    size = _QUICK if quick else _FULL
    with rig.server(server) as running, Bench(running) as bench:
        print(f"{running.name}, without persistence")
        redis = f"redis://127.0.0.1:{running.port}/2"
        figures = measure(bench, redis, size)
    figures |= noop_vs_stock(quick)
    goals = {name: goal for name, goal in _GOALS.items() if name in figures}
    rig.finish(figures, goals, as_json=as_json)


if __name__ == "__main__":
    rig.command(main)()
