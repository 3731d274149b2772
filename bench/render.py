"""Pages in a browser: one that is used again, one for each job, and crawlee's.

Ours is a Celery worker with four threads, sessions in Redis, a relay before the proxy,
and the session's storage kept after each page. It does pages of four sessions that come
again and again, which is what sessions are for (``reuse_vs_launch``), and first pages
of new sessions, each in a context of its own (``first_vs_launch``). Beside it, in
turns: a browser for each job, four at a time, as a task that knows nothing better does
it; and crawlee's PlaywrightCrawler, four pages at a time in one browser, a context for
each page, through the same proxy, in an environment of its own that the first run
makes: ``vs_crawlee`` compares it with first pages. Then what a context takes of memory,
and how long it takes to restore a session's storage.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, Final

# Run as a file, Python looks for modules in bench/ only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.sync_api import sync_playwright
from rich.progress import track

from bench import peers, rig
from bench.jobs_rig import Bench, Job
from bench.render_host import mb_per_context, restore_ms
from lab import Lab
from limpet.client import Limpet
from proxies import parse_proxy
from tasks.browser.finding import find

#: Pages at a time, of all sides.
_THREADS: Final = 4
_CRAWLEE: Final = ("crawlee[playwright]==1.11.0",)
_GOALS: Final = {
    "reuse_vs_launch": rig.Goal("at least 6", 6.0),
    "vs_crawlee": rig.Goal("at least 1", 1.0),
    "mb_per_context": rig.Goal("at most 45", 45.0, most=True),
    "restore_ms": rig.Goal("at most 80", 80.0, most=True),
}


class _Ours:
    """A worker of ours; its jobs are sent, and waited for."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._numbers = count()

    def first(self, urls: list[str]) -> float:
        """Return the seconds that so many pages took, each of a session of its own."""
        return self._run(urls, lambda _: f"new{next(self._numbers)}")

    def again(self, urls: list[str]) -> float:
        """Return the seconds that so many pages of four sessions took.

        Those are twice as many in fact: the first of each finds its context closed,
        since there were others meanwhile.
        """
        return self._run(urls * 2, lambda n: f"again{n % _THREADS}") / 2

    def _run(self, urls: list[str], named: Callable[[int], str]) -> float:
        def send(client: Limpet) -> list[Job]:
            return [client.render(url, session=named(n)) for n, url in enumerate(urls)]

        return len(urls) / self._bench.run(len(urls), send).rate


def _launch(program: str | None, proxy: str, url: str) -> None:
    """Do one page as a task does that knows of no other one."""
    place = parse_proxy(proxy)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program)
        context = browser.new_context(
            proxy={
                "server": place.address,
                "username": place.username,
                "password": place.password,
            }
        )
        page = context.new_page()
        page.goto(url)
        assert page.content()
        context.storage_state()
        browser.close()


def _launched(program: str | None, proxy: str, urls: list[str]) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(lambda url: _launch(program, proxy, url), urls))
    return time.perf_counter() - start


class _Crawlee:
    """The process that has crawlee."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, urls: list[str]) -> float:
        to, answers = self._process.stdin, self._process.stdout
        assert to is not None
        assert answers is not None
        to.write(json.dumps(urls) + "\n")
        to.flush()
        took = float(answers.readline() or 0)
        assert took, "crawlee did not do all pages"
        return took


@contextmanager
def _crawlee(python: Path, program: str | None, proxy: str) -> Iterator[_Crawlee]:
    script = Path(__file__).with_name("render_crawlee.py")
    with tempfile.TemporaryDirectory(prefix="limpet-bench-") as folder:
        process = subprocess.Popen(
            [python, "-I", script, program or "", proxy, str(_THREADS)],
            env={**os.environ, "CRAWLEE_STORAGE_DIR": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            yield _Crawlee(process)
        finally:
            process.kill()
            process.wait()


def measure(
    running: rig.Running, python: Path, *, rounds: int, pages: int
) -> dict[str, float]:
    found = find(None)
    program = str(found) if found else None
    with Lab(proxies=1) as lab, Bench(running) as bench:
        proxy = lab.proxies[0].line
        bench.publish(proxy)
        urls = [f"{lab.site}/shop/bench/{n}" for n in range(pages)]
        few = urls[: max(_THREADS, pages // 4)]
        ours = _Ours(bench)
        with _crawlee(python, program, proxy) as crawlee:
            bench.workers(1, _THREADS, queue="render")  # while crawlee starts
            sides: dict[str, Any] = {
                "again": ours.again,
                "first": ours.first,
                "crawlee": crawlee,
            }
            with ThreadPoolExecutor() as both:  # a browser starts, for each
                list(
                    both.map(lambda side: side(urls[:_THREADS]), (ours.again, crawlee))
                )
            turns: dict[str, list[float]] = {name: [] for name in (*sides, "launch")}
            for _ in track(range(rounds), "turns", transient=True):
                for name, side in sides.items():
                    turns[name].append(pages / side(urls))
                took = _launched(program, proxy, few)
                turns["launch"].append(len(few) / took)
    rows = [(name, f"{median(rates):.1f}") for name, rates in turns.items()]
    rig.table("pages a second, four at a time", ("", "pages/s"), rows)
    return {
        "renders_per_s": median(turns["again"]),
        "reuse_vs_launch": _ratio(turns["again"], turns["launch"]),
        "first_vs_launch": _ratio(turns["first"], turns["launch"]),
        "vs_crawlee": _ratio(turns["first"], turns["crawlee"]),
    }


def _ratio(over: list[float], under: list[float]) -> float:
    return median(one / other for one, other in zip(over, under, strict=True))


def main(
    *,
    quick: rig.Quick = False,
    as_json: rig.AsJson = False,
    server: rig.Server = None,
) -> None:
    """Compare with a browser for each job and with crawlee; ratios are of pages/s.

    The first run installs crawlee, which takes a minute. Examples:
    [bold]python bench/render.py --quick[/] or [bold]python bench/render.py --json[/]
    """
    python = peers.install("render", _CRAWLEE)
    with rig.server(server) as running:
        figures = measure(
            running, python, rounds=2 if quick else 8, pages=12 if quick else 48
        )
    figures["mb_per_context"] = mb_per_context(4 if quick else 12)
    figures["restore_ms"] = restore_ms(8 if quick else 40)
    rig.finish(figures, _GOALS, as_json=as_json)


if __name__ == "__main__":
    rig.command(main)()
