"""How long the clean-up of 100k expired sessions takes, and who waits for it.

One process cleans up in batches of 50, and rests after each script; four acquire and
release sessions of their own, with pauses of 2 ms. Both happen in turns of a quarter of
a second, with the clean-up and without, so that both are measured on the same machine;
the ratio is the median over rounds of such turns. ``p99_ratio_of_pings`` is the
control: the same turns beside a process that only sends PING. Nobody can do better than
that.

``seconds_100k`` is the engine's time, in which Redis is busy with the clean-up and can
serve nobody else. ``clock_100k`` is the same by the clock, with the rests. ``vs_bare``
compares it, in the same rounds, with a script that only does what no clean-up can do
without: a machine that is slow today is slow for both.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from typing import Final

# Run as a file, Python looks for modules in bench/ only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from redis import Redis

from bench import rig, stock
from limpet.connection import connect
from limpet.keys import Keys
from sessions import SessionManager

_BATCH: Final = 50
_ACQUIRERS: Final = 4
#: Sessions of each, and seconds between two acquires: workers fetch pages meanwhile.
_SESSIONS: Final = 500
_PAUSE: Final = 0.002
#: Sessions that are cleaned up for `seconds_100k`, and for the turns of a round.
_TIMED: Final = 10_000
_IN_TURNS: Final = 60_000
#: Turns with the clean-up in a round, as many without it, and seconds of each.
_TURNS: Final = 4
_TURN: Final = 0.25
#: Looks when sessions end, removes them, and counts them off their proxies.
_BARE: Final = """
local gone, proxies, counts = {}, {}, {}
local due = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", ARGV[1], "LIMIT", 0, ARGV[2])
for i = 1, #due do
  due[i] = ARGV[3] .. due[i]
  local s = redis.call("HMGET", due[i], "p", "x", "d", "a")
  gone[s[1]] = (gone[s[1]] or 0) + 1
end
for proxy in pairs(gone) do proxies[#proxies + 1] = proxy end
local had = #due > 0 and redis.call("HMGET", KEYS[2], unpack(proxies)) or {}
for i = 1, #had do
  counts[#counts + 1], counts[#counts + 2] = proxies[i], had[i] - gone[proxies[i]]
end
if #due > 0 then redis.call("HSET", KEYS[2], unpack(counts)) end
if #due > 0 then redis.call("UNLINK", unpack(due)) end
redis.call("ZREMRANGEBYRANK", KEYS[1], 0, #due - 1)
return #due
"""
_GOALS: Final = {
    "seconds_100k": rig.Goal("at most 1.50", 1.5, most=True),
    "p99_ratio": rig.Goal("at most 1.30", 1.3, most=True),
}


@dataclass(frozen=True)
class Turns:
    """Acquire times in ms, while nothing else happened and while something did."""

    idle: list[float]
    meanwhile: list[float]

    @property
    def p99_ratio(self) -> float:
        return _p99(self.meanwhile) / _p99(self.idle)


@dataclass(frozen=True)
class Round:
    """One round.

    *seconds* are the engine's, *bare* those of the bare
    script, *clock* those by the clock.
    """

    seconds: float
    bare: float
    clock: float
    cleaning: Turns
    pinging: Turns


class Acquirers:
    """Processes that acquire and release sessions, each its own."""

    def __init__(self, port: int) -> None:
        context = get_context("spawn")
        self._processes, self._wishes = [], []
        for number in range(_ACQUIRERS):
            ours, theirs = context.Pipe()
            one = context.Process(
                target=_acquirer, args=(port, number, theirs), daemon=True
            )
            one.start()
            ours.recv()
            self._processes.append(one)
            self._wishes.append(ours)

    def tell(self, wish: str) -> None:
        for one in self._wishes:
            one.send(wish)

    def took(self) -> list[tuple[float, float]]:
        """Return when each acquire began, by `time.perf_counter`, and its ms."""
        return [found for one in self._wishes for found in one.recv()]

    def end(self) -> None:
        self.tell("end")
        for one in self._processes:
            one.join()


def _acquirer(port: int, number: int, wishes: Connection) -> None:
    """Acquire until told to stop; then send when each acquire began and its ms."""
    client = connect(f"redis://127.0.0.1:{port}/0")
    manager = stock.pool(client, "reap", 1000)
    names = stock.names(_SESSIONS, f"living{number}")
    stock.use(manager, client, names)
    for name in names:  # so that no proxy's URL is left to be asked for
        manager.release(manager.acquire(name, hold=60))
    wishes.send("ready")
    while wishes.recv() == "begin":
        took: list[tuple[float, float]] = []
        while not wishes.poll():
            start = time.perf_counter()
            lease = manager.acquire(names[len(took) % len(names)], hold=60)
            took.append((start, (time.perf_counter() - start) * 1000))
            manager.release(lease)
            time.sleep(_PAUSE)
        wishes.recv()
        wishes.send(took)


def _round(running: rig.Running, manager: SessionManager, others: Acquirers) -> Round:
    timed = stock.names(_TIMED, "timed")
    stock.fill(manager, running.client, timed, expired=True)
    running.client.config_resetstat()
    start, removed = time.perf_counter(), 0
    while (done := manager.expire(_BATCH)).more:
        removed += done.sessions
    clock = time.perf_counter() - start
    removed += done.sessions
    assert removed == _TIMED, f"{removed} sessions were removed"
    seconds = _engine(running.client)
    stock.fill(manager, running.client, timed, expired=True)
    bare = _bare(running.client)
    expired = stock.names(_IN_TURNS, "expired")
    stock.fill(manager, running.client, expired, expired=True)
    cleaning = _turns(others, lambda: manager.expire(_BATCH).more)
    while manager.expire(_BATCH).more:
        pass
    pinging = _turns(others, lambda: bool(running.client.ping()))
    return Round(seconds, bare, clock, cleaning, pinging)


def _engine(client: Redis) -> float:
    """Return the seconds that scripts took since they were counted from zero."""
    took: float = client.info("commandstats")["cmdstat_evalsha"]["usec"]
    return took / 1e6


def _bare(client: Redis) -> float:
    """Remove all expired sessions by the bare script; return the engine's seconds."""
    keys = Keys("reap")
    sha = client.script_load(_BARE)
    given = (time.time_ns() // 10**6, _BATCH, keys.session(""))
    client.config_resetstat()
    removed = 0
    while done := int(client.evalsha(sha, 2, keys.expiry, keys.loads, *given)):
        removed += done
    assert removed == _TIMED, f"{removed} sessions were removed"
    return _engine(client)


def _turns(others: Acquirers, step: Callable[[], bool]) -> Turns:
    """Do *step* again and again in every other turn; its clock is the acquirers'."""
    spans: list[tuple[float, float]] = []
    others.tell("begin")
    for _ in range(_TURNS):
        time.sleep(_TURN)
        start = time.perf_counter()
        while time.perf_counter() < start + _TURN:
            assert step(), "nothing was left to clean up"
        spans.append((start, time.perf_counter()))
    others.tell("stop")
    turns = Turns([], [])
    for start, took in others.took():
        within = any(begin <= start <= end for begin, end in spans)
        (turns.meanwhile if within else turns.idle).append(took)
    return turns


def _p99(took: list[float]) -> float:
    return quantiles(took, n=100)[98]


def measure(running: rig.Running, rounds: int) -> dict[str, float]:
    manager = stock.pool(running.client, "reap", 1000)
    others = Acquirers(running.port)
    done = [_round(running, manager, others) for _ in range(rounds)]
    others.end()
    scale = 100_000 / _TIMED
    return {
        "seconds_100k": median(one.seconds for one in done) * scale,
        "vs_bare": median(one.seconds / one.bare for one in done),
        "clock_100k": median(one.clock for one in done) * scale,
        "p99_ratio": median(one.cleaning.p99_ratio for one in done),
        "p99_ratio_of_pings": median(one.pinging.p99_ratio for one in done),
        "p50_ratio": median(
            median(one.cleaning.meanwhile) / median(one.cleaning.idle) for one in done
        ),
        "p99_idle_ms": median(_p99(one.cleaning.idle) for one in done),
        "p99_meanwhile_ms": median(_p99(one.cleaning.meanwhile) for one in done),
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
        figures = measure(running, rounds=3 if quick else 20)
        rows = [(name, f"{value:.2f}") for name, value in figures.items()]
        rig.table(f"{running.name}, batches of {_BATCH}", ("figure", ""), rows)
    rig.finish(figures, _GOALS, as_json=as_json)


if __name__ == "__main__":
    rig.command(main)()
