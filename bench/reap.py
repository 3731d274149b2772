"""How long the clean-up of 100k expired sessions takes, and who waits for it.

One process cleans up in batches of 50; another one acquires and releases a session some
hundred times a second, as it does in the idle time before. Both are done in rounds, and
the ratio is the median over them. ``seconds_100k`` is the time that the server spends,
taken in rounds of their own: nobody else can be served in it. It rests between its
scripts, so by the clock it takes longer (``clock_100k``).
"""

import sys
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from typing import Final

# Run as a file, Python looks for modules in bench/ only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import rig, stock
from limpet.connection import connect
from sessions import SessionManager

_BATCH: Final = 50
#: Between two acquires: a worker fetches a page meanwhile.
_PAUSE: Final = 0.001
_PER_ROUND: Final = 20_000
_GOALS: Final = {
    "seconds_100k": rig.Goal("at most 1.50", 1.5, most=True),
    "p99_ratio": rig.Goal("at most 1.30", 1.3, most=True),
}


@dataclass(frozen=True)
class Round:
    """One round: seconds of the clean-up, and acquire times in milliseconds.

    *seconds* are the server's.
    """

    seconds: float
    clock: float
    idle: list[float]
    meanwhile: list[float]


def _acquirer(port: int, wishes: Connection) -> None:
    """Acquire until told to stop; then send what each acquire took, in ms."""
    client = connect(f"redis://127.0.0.1:{port}/0")
    manager = stock.pool(client, "reap", 1000)
    names = stock.names(1000, "living")
    stock.use(manager, client, names)
    for name in names:  # so that no proxy's URL is left to be asked for
        manager.release(manager.acquire(name, hold=60))
    wishes.send("ready")
    while wishes.recv() == "begin":
        took: list[float] = []
        while not wishes.poll():
            start = time.perf_counter()
            lease = manager.acquire(names[len(took) % len(names)], hold=60)
            took.append((time.perf_counter() - start) * 1000)
            manager.release(lease)
            time.sleep(_PAUSE)
        wishes.recv()
        wishes.send(took)


def _round(running: rig.Running, manager: SessionManager, wishes: Connection) -> Round:
    expired = stock.names(_PER_ROUND, "expired")
    stock.fill(manager, running.client, expired, expired=True)
    running.client.config_resetstat()
    clock = _clean_up(manager)
    seconds = _server_seconds(running)
    stock.fill(manager, running.client, expired, expired=True)
    wishes.send("begin")
    time.sleep(1)
    wishes.send("stop")
    idle = wishes.recv()
    wishes.send("begin")
    _clean_up(manager)
    wishes.send("stop")
    return Round(seconds, clock, idle, wishes.recv())


def _server_seconds(running: rig.Running) -> float:
    """What the commands of the clean-up took; EXEC has those of its transaction."""
    stats = running.client.info("commandstats")
    sent = ("evalsha", "time", "zrange", "watch", "hmget", "multi", "exec")
    took = (stats.get(f"cmdstat_{one}", {"usec": 0})["usec"] for one in sent)
    return float(sum(took) / 1e6)


def _clean_up(manager: SessionManager) -> float:
    start, removed = time.perf_counter(), 0
    while (done := manager.expire(_BATCH)).more:
        removed += done.sessions
    removed += done.sessions
    assert removed == _PER_ROUND, f"{removed} sessions were removed"
    return time.perf_counter() - start


def _p99(took: list[float]) -> float:
    return quantiles(took, n=100)[98]


def measure(running: rig.Running, rounds: int) -> dict[str, float]:
    manager = stock.pool(running.client, "reap", 1000)
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(
        target=_acquirer, args=(running.port, theirs), daemon=True
    )
    process.start()
    ours.recv()
    done = [_round(running, manager, ours) for _ in range(rounds)]
    ours.send("end")
    process.join()
    scale = 100_000 / _PER_ROUND
    return {
        "seconds_100k": median(one.seconds for one in done) * scale,
        "clock_100k": median(one.clock for one in done) * scale,
        "p99_ratio": median(_p99(one.meanwhile) / _p99(one.idle) for one in done),
        "p50_ratio": median(median(one.meanwhile) / median(one.idle) for one in done),
        "p99_idle_ms": median(_p99(one.idle) for one in done),
        "p99_meanwhile_ms": median(_p99(one.meanwhile) for one in done),
    }


def main(
    *,
    quick: rig.Quick = False,
    as_json: rig.AsJson = False,
    server: rig.Server = None,
) -> None:
    """Time the clean-up, and acquires meanwhile.

    Examples: [bold]python bench/reap.py --quick[/] or
    [bold]python bench/reap.py --server embedded --json[/]
    """
    with rig.server(server) as running:
        figures = measure(running, rounds=3 if quick else 25)
        rows = [(name, f"{value:.2f}") for name, value in figures.items()]
        rig.table(f"{running.name}, batches of {_BATCH}", ("figure", ""), rows)
    rig.finish(figures, _GOALS, as_json=as_json)


if __name__ == "__main__":
    rig.command(main)()
