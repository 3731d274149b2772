"""What it costs a request that its pool lies in four shards, on one server.

What it gains cannot be shown on one machine with few processors: there, the nodes of a
Cluster take turns. So this is the price alone: a hash of the session's name for a
request; and for what reads the whole pool, a trip for each shard.
"""

import sys
from collections.abc import Iterable
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from redis import Redis
from rich.progress import track

# Run as a file, Python looks for modules in bench/ only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import rig, stock
from limpet.settings import Settings
from sessions import SessionManager, open_pool, open_proxies

_SHARDS: Final = 4
_PROXIES: Final = 400
_SESSIONS: Final = 2000
_CALLS: Final = 50
#: Looks at the whole pool in a chunk.
_LOOKS: Final = 10
_GOALS: Final = {
    "request_four_vs_one": rig.Goal("at most 1.05", 1.05, most=True),
    "stats_four_vs_one": rig.Goal("at most 4.50", 4.5, most=True),
}


def _pool(client: Redis, name: str) -> SessionManager:
    config = Settings(_env_file=None, pool_shards=f"four={_SHARDS}")
    open_proxies(client, name, config).publish(stock.proxies(_PROXIES))
    manager = open_pool(client, name, config)
    _requests(manager, stock.names(_SESSIONS))
    return manager


def _requests(manager: SessionManager, names: Iterable[str]) -> None:
    for name in names:
        lease = manager.acquire(name, hold=60)
        manager.release(lease, stock.GIVE.outcome, elapsed=stock.GIVE.elapsed)


def _looks(manager: SessionManager) -> None:
    for _ in range(_LOOKS):
        manager.stats()


def measure(client: Redis, chunks: int) -> dict[str, float]:
    """Time both pools in turns, print the table, return figures."""
    pools = {name: _pool(client, name) for name in ("one", "four")}
    names, samples = cycle(stock.names(_SESSIONS)), rig.Samples()
    for _ in track(range(chunks), "one shard and four", transient=True):
        samples.begin()
        for name, manager in pools.items():
            some = list(islice(names, _CALLS))
            samples.time(f"request, {name}", _CALLS, _requests, manager, some)
            samples.time(f"stats, {name}", _LOOKS, _looks, manager)
    rig.operations("one shard and four, on one server", samples, "request, one")
    return {
        "request_four_vs_one": samples.ratio("request, four", "request, one"),
        "stats_four_vs_one": samples.ratio("stats, four", "stats, one"),
    }


def main(
    *,
    quick: rig.Quick = False,
    as_json: rig.AsJson = False,
    server: rig.Server = None,
) -> None:
    """Time requests of a pool in one shard and of one in four.

    Examples: [bold]python bench/shards.py --quick[/] or
    [bold]python bench/shards.py --server embedded --json[/]
    """
    with rig.server(server) as running:
        print(f"{running.name}, without persistence")
        figures = measure(running.client, 40 if quick else 400)
    rig.finish(figures, _GOALS, as_json=as_json)


if __name__ == "__main__":
    rig.command(main)()
