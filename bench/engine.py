"""How fast sessions are acquired and released, beside an empty script.

``EVALSHA 'return 1'`` is the least that a script can cost: the way to Redis and back.
A first bind is timed twice: what Redis does, and with the trip for the URL of a proxy
that this process does not know yet, which a large pool needs more often.
Three views: one process with redis-py, through `SessionManager` as a job does it;
``redis-benchmark`` with 1, 8 and 50 connections, where no Python is in the way; and one
process with 100 calls a pipeline, where mostly the server's own work is left.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from shutil import which
from typing import Any, Final

from redis import Redis
from rich.progress import track

# Run as a file, Python looks for modules in bench/ only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import rig, stock
from bench.clients import ALIKE, Clients
from limpet.lines import send
from proxies import Selection
from sessions import Lease, SessionManager
from sessions.store import SessionStore

#: Calls of each operation in a chunk: a few milliseconds, shorter than most noise.
_CALLS: Final = 50
_PIPELINED: Final = 100
_BARE: Final = "EVALSHA 'return 1'"
#: The same over a connection that is kept, as our scripts go; redis-py's own way costs
#: about twice that.
_KEPT: Final = "EVALSHA 'return 1', kept connection"
_TWO: Final = "release, then acquire"
_ONE: Final = "release and acquire in one trip"
_GOALS: Final = {
    "acquire_vs_evalsha_1p": rig.Goal("at least 0.60", 0.60),
    "acquire_vs_evalsha_c50": rig.Goal("at least 0.30", 0.30),
    "bind_100k_vs_10": rig.Goal("at most 1.50", 1.50, most=True),
    "one_trip_gain": rig.Goal("at least 1.30", 1.30),
}


@dataclass(frozen=True)
class Size:
    """How much of it all is done; *passes* is of redis-benchmark, by connections."""

    chunks: int
    proxies: tuple[int, ...]
    sessions: tuple[int, ...]
    passes: dict[int, int]
    requests: int


_QUICK: Final = Size(20, (10, 100_000), (1000, 50_000), {1: 2, 8: 2, 50: 7}, 1000)
_FULL: Final = Size(
    *(200, (10, 1000, 100_000), (1000, 100_000, 1_000_000)),
    *({1: 9, 8: 9, 50: 25}, 5000),
)


class Ground:
    """A running server with an empty script and pools that are full."""

    def __init__(self, running: rig.Running, size: Size) -> None:
        self.running, self.client, self.size = running, running.client, size
        self.empty: str = self.client.script_load("return 1")
        self.pools = {n: stock.pool(self.client, f"p{n}", n) for n in size.proxies}
        self.stores = {n: SessionStore(self.client, f"p{n}") for n in size.proxies}
        self.used = {n: stock.pool(self.client, f"s{n}", 1000) for n in size.sessions}
        self.names = {n: stock.names(n) for n in size.sessions}
        for n, manager in self.used.items():
            stock.fill(manager, self.client, self.names[n])
            # A process asks once for each proxy's URL; that is not what is timed.
            _release(manager, _acquire(manager, self.names[n][:1000]))

    @property
    def most(self) -> int:
        """The largest number of sessions that a pool here has."""
        return max(self.size.sessions)


def _ping(client: Redis) -> None:
    for _ in range(_CALLS):
        client.ping()


def _evalsha(client: Any, sha: str) -> None:
    for _ in range(_CALLS):
        client.execute_command("EVALSHA", sha, 0)


def _kept_evalsha(client: Redis, sha: str) -> None:
    for _ in range(_CALLS):
        send(client, ["EVALSHA", sha, 0])


def _acquire(manager: SessionManager, names: Iterable[str]) -> list[Lease]:
    return [manager.acquire(name, hold=60) for name in names]


def _bind_all(store: SessionStore, names: Iterable[str]) -> None:
    for name in names:
        store.acquire(name, stock.want())


def _failover(manager: SessionManager, leases: Iterable[Lease]) -> list[Lease]:
    moved = []
    for lease in leases:
        avoid = Selection(exclude=(lease.proxy.id,))
        moved.append(manager.acquire(lease.session, hold=60, selection=avoid))
    return moved


def _release(manager: SessionManager, leases: Iterable[Lease]) -> None:
    for lease in leases:
        manager.release(
            *(lease, stock.GIVE.outcome),
            elapsed=stock.GIVE.elapsed,
            size=stock.GIVE.size,
            url=stock.GIVE.url,
        )


def _two_trips(manager: SessionManager, lease: Lease, names: Iterable[str]) -> Lease:
    for name in names:
        _release(manager, [lease])
        lease = manager.acquire(name, hold=60)
    return lease


def _one_trip(manager: SessionManager, lease: Lease, names: Iterable[str]) -> Lease:
    for name in names:
        lease = manager.release_and_acquire(
            *(lease, stock.GIVE.outcome, name),
            hold=60,
            elapsed=stock.GIVE.elapsed,
            size=stock.GIVE.size,
            url=stock.GIVE.url,
        )
    return lease


def one_process(ground: Ground) -> rig.Samples:
    """Time the manager's operations, one call after the other."""
    samples, client = rig.Samples(), ground.client
    rest = {n: cycle(names) for n, names in ground.names.items()}
    for number in track(range(ground.size.chunks), "one process", transient=True):
        samples.begin()
        samples.time("PING", _CALLS, _ping, client)
        samples.time(_BARE, _CALLS, _evalsha, client, ground.empty)
        samples.time(_KEPT, _CALLS, _kept_evalsha, client, ground.empty)
        for n, manager in ground.used.items():
            names = list(islice(rest[n], _CALLS))
            leases = samples.time(_hit(n), _CALLS, _acquire, manager, names)
            samples.time(f"release, {n} sessions", _CALLS, _release, manager, leases)
        for n, manager in ground.pools.items():
            names = [f"{number}-{i}" for i in range(_CALLS)]
            samples.time(_bind(n), _CALLS, _bind_all, ground.stores[n], names)
            names = [f"new-{name}" for name in names]
            leases = samples.time(_new(n), _CALLS, _acquire, manager, names)
            _release(manager, leases)
        manager = ground.used[ground.most]
        leases = _acquire(manager, list(islice(rest[ground.most], _CALLS)))
        _release(manager, leases)
        moved = samples.time("acquire, failover", _CALLS, _failover, manager, leases)
        _release(manager, moved)
        lease = manager.acquire(next(rest[ground.most]), hold=60)
        for way, name in ((_two_trips, _TWO), (_one_trip, _ONE)):
            names = list(islice(rest[ground.most], _CALLS))
            lease = samples.time(name, _CALLS, way, manager, lease, names)
        _release(manager, [lease])
    return samples


def _hit(sessions: int) -> str:
    return f"acquire, hit, {sessions} sessions"


def _bind(proxies: int) -> str:
    return f"bind, {proxies} proxies"


def _new(proxies: int) -> str:
    return f"acquire, new, {proxies} proxies"


def pipelined(ground: Ground) -> rig.Samples:
    """Time what the server does, with the way there shared by many calls."""
    samples = rig.Samples()
    pipe: Any = ground.client.pipeline(transaction=False)
    line = stock.Line(ground.client, ground.used[ground.most].pool)
    rest = cycle(ground.names[ground.most])
    for number in track(range(ground.size.chunks), "pipelined", transient=True):
        samples.begin()
        for _ in range(_PIPELINED):
            pipe.execute_command("EVALSHA", ground.empty, 0)
        samples.time(_BARE, _PIPELINED, pipe.execute)
        names = list(islice(rest, _PIPELINED))
        for name in names:
            line.store.acquire(name, stock.want())
        replies = samples.time(_hit(ground.most), _PIPELINED, line.send)
        for name, reply in zip(names, replies, strict=True):
            line.store.release(name, reply[1].decode(), stock.GIVE)
        samples.time(f"release, {ground.most} sessions", _PIPELINED, line.send)
        for n, manager in ground.pools.items():
            newcomers = stock.Line(ground.client, manager.pool)
            for i in range(_PIPELINED):
                newcomers.store.acquire(f"line-{number}-{i}", stock.want())
            samples.time(_new(n), _PIPELINED, newcomers.send)
    return samples


def measure(ground: Ground) -> dict[str, float]:
    """Do all that this server and machine allow, print the tables, return figures."""
    single, many = one_process(ground), pipelined(ground)
    least, most = min(ground.size.proxies), max(ground.size.proxies)
    hit = _hit(ground.most)
    figures = {
        "acquire_vs_evalsha_1p": single.ratio(_BARE, hit),
        "acquire_vs_kept_evalsha_1p": single.ratio(_KEPT, hit),
        "release_vs_evalsha_1p": single.ratio(
            _BARE, f"release, {ground.most} sessions"
        ),
        "new_vs_evalsha_1p": single.ratio(_BARE, _new(least)),
        "failover_vs_evalsha_1p": single.ratio(_BARE, "acquire, failover"),
        "bind_100k_vs_10": single.ratio(_bind(most), _bind(least)),
        "bind_100k_vs_10_with_url": single.ratio(_new(most), _new(least)),
        "bind_100k_vs_10_pipelined": many.ratio(_new(most), _new(least)),
        "one_trip_gain": single.ratio(_TWO, _ONE),
        "acquire_vs_evalsha_pipelined": many.ratio(_BARE, hit),
    }
    rig.operations("one process", single, _BARE)
    rig.operations("one process, 100 calls a pipeline", many, _BARE)
    if which("redis-benchmark") is None:
        print("redis-benchmark is not installed (Debian: redis-tools): left out")
        return figures
    tool = Clients(
        ground.running,
        ground.used[ground.most].pool,
        sessions=ground.most,
        requests=ground.size.requests,
    )
    for clients, passes in ground.size.passes.items():
        samples = tool.run(clients, passes, bare=_BARE)
        rig.operations(f"redis-benchmark -c {clients}", samples, _BARE)
        figures[f"acquire_vs_evalsha_c{clients}"] = samples.ratio(_BARE, "hit")
        figures[f"acquire_vs_same_arguments_c{clients}"] = samples.ratio(ALIKE, "hit")
    return figures


def main(
    *,
    quick: rig.Quick = False,
    as_json: rig.AsJson = False,
    server: rig.Server = None,
) -> None:
    """Time acquire and release beside an empty script.

    Examples: [bold]python bench/engine.py --quick[/] or
    [bold]python bench/engine.py --server embedded --json[/]
    """
    with rig.server(server) as running:
        print(f"{running.name}, without persistence")
        figures = measure(Ground(running, _QUICK if quick else _FULL))
    rig.finish(figures, _GOALS, as_json=as_json)


if __name__ == "__main__":
    rig.command(main)()
