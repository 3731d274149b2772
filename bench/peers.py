"""Ours beside proxywhirl and crawlee, which keep sessions inside one process.

They need no way to Redis, and know of no other process. So a hit is theirs by far, in
a pool of any size; a first bind is ours once the pool is large, since they look through
all of it. The two sides take turns in one run; theirs has an environment of its own,
which the first run makes, with pip and its index.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path
from typing import Final

# Run as a file, Python looks for modules in bench/ only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import typer
from rich.progress import track

from bench import rig, stock
from sessions import SessionManager

#: What is compared; other versions have other figures.
PEERS: Final = ("proxywhirl==0.3.3", "crawlee==1.11.0")
_SIZES: Final = (10, 100, 1000, 10_000)
_LIVE: Final = 100
_CALLS: Final = 50
#: Of theirs, for a chunk that lasts no longer than ours.
_SLOW_CALLS: Final = {1000: 10, 10_000: 2}
_SESSIONS: Final = 12_500
_GOALS: Final = {
    "bind_vs_proxywhirl_10k": rig.Goal("above 1, ours is faster", 1.0),
    "memory_vs_proxywhirl": rig.Goal("above 1, ours is smaller", 1.0),
}


def _folder(name: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Path(cache) / "limpet" / f"{name}-{version}"


def install(name: str = "peers", peers: Sequence[str] = PEERS) -> Path:
    """Return a Python that has *peers*; make its environment, *name*, once."""
    folder = _folder(name)
    python, ready = folder / "bin" / "python", folder / "ready"
    if ready.is_file() and ready.read_text() == " ".join(peers):
        return python
    print(f"installing {' and '.join(peers)} into {folder}", flush=True)
    pip = ("-m", "pip", "install", "-qq", "--disable-pip-version-check")
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, *pip, *peers], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"the peers cannot be installed, so nothing is compared: {error}")
        raise typer.Exit(1) from None
    ready.write_text(" ".join(peers))
    return python


class Theirs:
    """The process that has the peers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, *wish: str | int) -> float:
        to, answers = self._process.stdin, self._process.stdout
        assert to is not None
        assert answers is not None
        to.write(json.dumps(wish) + "\n")
        to.flush()
        answer = answers.readline()
        assert answer, "the peers' process has ended"
        return float(answer)


@contextmanager
def _theirs(python: Path) -> Iterator[Theirs]:
    program = Path(__file__).with_name("peer.py")
    process = subprocess.Popen(
        [python, "-I", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Theirs(process)
    finally:
        process.kill()
        process.wait()


class Ours:
    """One pool, with the operations that are compared."""

    def __init__(self, manager: SessionManager) -> None:
        self._manager = manager
        self._new = (f"new-{n}" for n in count())
        self._live = cycle(stock.names(_LIVE))

    def first_bind(self) -> None:
        for _ in range(_CALLS):
            self._manager.acquire(next(self._new), hold=60)

    def hit(self) -> None:
        """Lease, and tell how the request went, as theirs do."""
        for _ in range(_CALLS):
            lease = self._manager.acquire(next(self._live), hold=60)
            self._manager.release(lease, stock.GIVE.outcome, elapsed=0.1)

    def rotate(self) -> None:
        """A session for one request: the next proxy, and how it did."""
        for _ in range(_CALLS):
            lease = self._manager.acquire(None, hold=60)
            self._manager.release(lease, stock.GIVE.outcome, elapsed=0.1)


def _compare(
    running: rig.Running, theirs: Theirs, size: int, chunks: int
) -> rig.Samples:
    manager = stock.pool(running.client, f"p{size}", size)
    ours, samples = Ours(manager), rig.Samples()
    stock.use(manager, running.client, stock.names(_LIVE))
    calls = _SLOW_CALLS.get(size, _CALLS)
    pairs: dict[str, Callable[[], None]] = {
        "first bind": ours.first_bind,
        "hit": ours.hit,
        "round robin": ours.rotate,
    }
    for _ in track(range(chunks), f"{size} proxies", transient=True):
        samples.begin()
        chunk = samples.chunks[-1]
        for name, action in pairs.items():
            samples.time(name, _CALLS, action)
            chunk[f"proxywhirl {name}"] = theirs.ask("time", name, size, calls)
        chunk["crawlee"] = theirs.ask("time", "crawlee", size, calls)
    return samples


def _bytes(running: rig.Running) -> float:
    manager = stock.pool(running.client, "memory", 1000)
    stock.use(manager, running.client, stock.names(1000, "first"))
    before = stock.used_memory(running, "memory")
    stock.use(manager, running.client, stock.names(_SESSIONS))
    return (stock.used_memory(running, "memory") - before) / _SESSIONS


def measure(running: rig.Running, theirs: Theirs, *, quick: bool) -> dict[str, float]:
    chunks = 7 if quick else 50
    found = {size: _compare(running, theirs, size, chunks) for size in _SIZES}
    names = list(found[_SIZES[0]].chunks[0])
    rows = [
        (name, *(f"{found[size].micros(name):.0f}" for size in _SIZES))
        for name in names
    ]
    header = [f"{size} proxies" for size in _SIZES]
    rig.table(f"µs a call; ours on {running.name}", ("operation", *header), rows)
    figures = {}
    for size in _SIZES:
        for name in ("first bind", "hit", "round robin"):
            key = f"{name.replace('first ', '').replace(' ', '_')}_vs_proxywhirl"
            ratio = found[size].ratio(f"proxywhirl {name}", name)
            figures[f"{key}_{_short(size)}"] = ratio
        figures[f"hit_vs_crawlee_{_short(size)}"] = found[size].ratio("crawlee", "hit")
    ours = _bytes(running)
    each = {
        peer: theirs.ask("memory", peer, _SESSIONS)
        for peer in ("proxywhirl", "crawlee")
    }
    rows = [(name, f"{value:.0f}") for name, value in {"ours": ours, **each}.items()]
    rig.table("bytes a session, without cookies", ("", "bytes"), rows)
    figures["bytes_per_session"] = ours
    figures |= {f"memory_vs_{peer}": value / ours for peer, value in each.items()}
    slower = [name for name, value in figures.items() if "_vs_" in name and value < 1]
    print("theirs is faster where the ratio is below 1:", ", ".join(slower))
    return figures


def _short(size: int) -> str:
    return f"{size // 1000}k" if size >= 1000 else str(size)


def main(
    *,
    quick: rig.Quick = False,
    as_json: rig.AsJson = False,
    server: rig.Server = None,
) -> None:
    """Compare with proxywhirl and crawlee; ratios are theirs over ours.

    The first run installs them, which takes a minute. Examples:
    [bold]python bench/peers.py --quick[/] or [bold]python bench/peers.py --json[/]
    """
    python = install()
    with rig.server(server) as running, _theirs(python) as theirs:
        figures = measure(running, theirs, quick=quick)
    rig.finish(figures, _GOALS, as_json=as_json)


if __name__ == "__main__":
    rig.command(main)()
