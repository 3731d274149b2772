"""Jobs that do nothing: how many a second, ours beside the stock transport.

    python bench/noop.py [--quick] [--json]

The queue is filled before the worker starts, so that only the worker is measured, and
events are off: they cost the same on both. The two transports take turns; a ratio is
the median over the turns.
"""

import json
import sys
import time
import uuid
from copy import deepcopy
from pathlib import Path
from statistics import median
from typing import Any, Final

# Run as a file, Python looks for modules in bench/ only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.queue_rig import POOLS, Rig, rig, until
from bench.rig import AsJson, Goal, Quick, command, finish, table

TRANSPORTS: Final = ("reliable", "stock")


def noop_vs_stock(quick: bool) -> dict[str, float]:  # noqa: FBT001 - what benches share
    """Return jobs a second of each pool and transport, and their ratios.

    ``noop_vs_stock`` is that of the threads that scrape workers have.
    """
    jobs, turns = (1500, 1) if quick else (8000, 3)
    figures: dict[str, float] = {}
    for pool in ("threads",) if quick else POOLS:
        rates: dict[str, list[float]] = {name: [] for name in TRANSPORTS}
        for _ in range(turns):
            for name in TRANSPORTS:
                with rig() as here:
                    rates[name].append(_rate(here, pool, name, jobs))
        for name in TRANSPORTS:
            figures[f"{name}_{pool}"] = median(rates[name])
        ratios = [ours / stock for ours, stock in zip(*rates.values(), strict=True)]
        figures[f"noop_vs_stock_{pool}"] = median(ratios)
    figures["noop_vs_stock"] = figures["noop_vs_stock_threads"]
    return figures


def _rate(here: Rig, pool: str, transport: str, jobs: int) -> float:
    _fill(here, jobs)
    queue = here.broker.client
    here.worker(
        pool,
        options=("--without-heartbeat", "--prefetch-multiplier", "4"),
        LIMPET_TRANSPORT=transport,
        BENCH_EVENTS="0",
    )
    until(lambda: queue.llen("scrape") < jobs, within=60, step=0.001)
    start, before = time.perf_counter(), _left(queue)
    until(lambda: _left(queue) == 0, within=120, step=0.005)
    return before / (time.perf_counter() - start)


def _left(queue: Any) -> int:
    return int(queue.llen("scrape")) + int(queue.hlen("unacked"))


def _fill(here: Rig, jobs: int) -> None:
    """Fill the queue with copies of one message, each with an id of its own."""
    queue = here.broker.client
    here.app.send_task("bench.noop", queue="scrape", ignore_result=True)
    first: Any = queue.rpop("scrape")
    model = json.loads(first)
    pipe = queue.pipeline(transaction=False)
    for _ in range(jobs):
        message, name = deepcopy(model), str(uuid.uuid4())
        message["headers"].update(id=name, root_id=name)
        message["properties"].update(correlation_id=name, delivery_tag=name)
        pipe.lpush("scrape", json.dumps(message))
    pipe.execute()


def bench(*, quick: Quick = False, as_json: AsJson = False) -> None:
    """Measure jobs that do nothing, on our transport and on kombu's.

    Examples: [bold]python bench/noop.py --quick[/] or
    [bold]python bench/noop.py --json[/]
    """
    figures = noop_vs_stock(quick)
    rows = [
        (pool, *(f"{figures[f'{name}_{pool}']:,.0f}" for name in TRANSPORTS))
        for pool in POOLS
        if f"stock_{pool}" in figures
    ]
    table("jobs a second", ("pool", "ours", "stock"), rows)
    finish(figures, {"noop_vs_stock": Goal("at least 4", 4)}, as_json=as_json)


if __name__ == "__main__":
    command(bench)()
