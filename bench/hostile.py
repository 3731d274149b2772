"""What a hostile site costs: time beyond the deadline, memory beyond the page.

Each page that hangs, drips or floods is fetched in http and https, directly, over an
HTTP proxy and over SOCKS5, and how long beyond its deadline the fetch took is noted.
Then each bomb is fetched, and how far the process's peak (``VmHWM``) rose above what it
held before.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from statistics import median
from typing import Final

# Run as a file, Python looks for modules in bench/ only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import rig
from lab import Lab
from lab.server import LabServer
from limpet.errors import FetchError
from proxies import Proxy, parse_proxy
from sessions import Lease
from sessions.state import SessionState
from tasks.fetching import Request
from tasks.guard import Guard
from tasks.http import Fetcher

_SLOW: Final = (
    *("hang", "hang-status", "hang-head", "hang-body", "drip-head", "drip-body"),
    *("chunks", "empty-blocks"),
)
_BOMBS: Final = ("bomb-gzip", "bomb-gzip-twice", "bomb-deflate", "bomb-br", "flood")
_BROKEN: Final = (
    *("no-http", "two-lengths", "half-head", "long-line", "many-headers"),
    *("continues", "reset", "reset-body", "no-gzip", "no-br", "round"),
)
_TIMEOUT: Final = 0.5
_CAP: Final = 1_000_000
_GOALS: Final = {
    "overrun_s": rig.Goal("at most 0.3", 0.3, most=True),
    "grown_mb": rig.Goal("at most 10", 10, most=True),
    "unclear": rig.Goal("none", 0, most=True),
}


def _lease(proxy: Proxy, number: int) -> Lease:
    return Lease(
        pool="bench",
        session=f"s{number}",
        token=f"t{number}",
        proxy=proxy,
        generation=1,
        incarnation=1,
        state=SessionState(),
        temporary=False,
        shared=False,
        created=True,
        moved=False,
    )


@dataclass
class Bench:
    """A fetcher, ways to the site, and what was seen."""

    fetcher: Fetcher
    proxies: list[Proxy]
    ports: dict[str, int]
    overruns: list[float] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    _made: int = 0

    def fetch(self, proxy: Proxy, url: str, timeout: float) -> str:
        """Fetch *url*; return the kind of the error, or ``page``."""
        self._made += 1
        lease = _lease(proxy, self._made)
        try:
            self.fetcher.fetch(lease, Request(url, timeout=timeout, max_bytes=_CAP))
        except FetchError as error:
            return error.kind
        finally:
            self.fetcher.drop(lease)
        return "page"

    def urls(self, pages: tuple[str, ...]) -> Iterator[tuple[Proxy, str]]:
        for page, scheme, proxy in product(pages, ("http", "https"), self.proxies):
            yield proxy, f"{scheme}://127.0.0.1:{self.ports[scheme]}/{page}"

    def deadlines(self) -> None:
        """Fetch what is slow."""
        for proxy, url in self.urls(_SLOW):
            start = time.perf_counter()
            self.kinds[self.fetch(proxy, url, _TIMEOUT)] += 1
            self.overruns.append(time.perf_counter() - start - _TIMEOUT)

    def broken(self) -> None:
        """Fetch what is broken."""
        for proxy, url in self.urls(_BROKEN):
            self.kinds[self.fetch(proxy, url, 20)] += 1

    def bombs(self, grown: dict[str, float]) -> None:
        """Fetch what bursts; note in *grown* by how many MB each raised the peak."""
        for proxy, url in self.urls(_BOMBS):
            before = _reset_peak()
            self.kinds[self.fetch(proxy, url, 60)] += 1
            name = url.rpartition("/")[2]
            grown[name] = max(grown.get(name, 0.0), _status("VmHWM") - before)


def _status(name: str) -> float:
    """Return a line of ``/proc/self/status``, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise KeyError(name)


def _reset_peak() -> float:
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def main(*, quick: rig.Quick = False, as_json: rig.AsJson = False) -> None:
    """Measure what a hostile site costs.

    Example: [bold]python bench/hostile.py --quick --json[/]
    """
    with tempfile.TemporaryDirectory() as folder:
        ca_file = f"{folder}/ca.pem"
        with LabServer("lab.hostile", "--ca", ca_file) as site, Lab(proxies=2) as lab:
            guard = Guard.allowing("127.0.0.0/8")
            bench = Bench(
                Fetcher(user_agent="bench", guard=guard, ca_file=ca_file),
                [Proxy("direct", "", 0), *(parse_proxy(p.line) for p in lab.proxies)],
                site.ports,
            )
            grown: dict[str, float] = {}
            for _ in range(1 if quick else 5):
                bench.deadlines()
                bench.broken()
                bench.bombs(grown)
    rows = [(name, str(count)) for name, count in bench.kinds.most_common()]
    rig.table("how the fetches ended", ("kind", "times"), rows)
    rig.table(
        f"peak memory, pages of {_CAP:,} bytes",
        ("bomb", "MB"),
        [(name, f"{value:.1f}") for name, value in grown.items()],
    )
    figures = {
        "overrun_s": max(bench.overruns),
        "overrun_median_s": median(bench.overruns),
        "grown_mb": max(grown.values()),
        "fetches": float(bench.kinds.total()),
        "unclear": float(bench.kinds["unexpected"]),
    }
    rig.finish(figures, _GOALS, as_json=as_json)


if __name__ == "__main__":
    rig.command(main)()
