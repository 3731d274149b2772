"""Jobs lost when workers are killed under load, beside those that stock Celery loses.

    python bench/loss.py            40 kills, 16,000 jobs, threads and prefork
    python bench/loss.py --quick    8 kills, 3,000 jobs

The stock transport is the control: as long as it loses jobs, the test can see a loss.
"""

import random
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

# Run as a file, Python looks for modules in bench/ only.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.queue_rig import POOLS, Rig, rig, until
from bench.rig import AsJson, Goal, Quick, command, finish, table

#: Seconds until a killed worker's jobs are given to the next.
VISIBLE = 3


@dataclass(frozen=True)
class Outcome:
    """What became of the jobs of one run."""

    sent: int
    lost: int
    twice: int


def kills(
    here: Rig, pool: str, *, transport: str, times: int, jobs: int, seed: int = 0
) -> Outcome:
    """Kill a busy worker *times*, then let one finish; count what it did."""
    dice = random.Random(seed)
    env = {
        "LIMPET_TRANSPORT": transport,
        "LIMPET_VISIBILITY_TIMEOUT_SECONDS": str(VISIBLE),
        "LIMPET_JOB_TIMEOUT_SECONDS": "2",
    }
    batch = jobs // times
    start = partial(here.worker, pool, options=("--without-heartbeat",), **env)
    heir = start()
    for n in range(times):
        # The next one boots meanwhile.
        worker, heir = heir, start()
        here.send(range(n * batch, (n + 1) * batch))
        before = here.witness.client.llen("done")
        until(partial(_beyond, here, before + 5), within=60, step=0.002)
        time.sleep(dice.random() * 0.15)
        worker.kill()
    # Most of the jobs are left to the last one.
    until(here.idle, within=120 + jobs / 20, step=0.2)
    done = here.told()
    sent = batch * times
    return Outcome(sent, sent - len(set(done)), len(done) - len(set(done)))


def _beyond(here: Rig, number: int) -> bool:
    return int(here.witness.client.llen("done")) >= number


def bench(*, quick: Quick = False, as_json: AsJson = False) -> None:
    """Kill workers under load, ours and stock ones, and count lost jobs.

    Examples: [bold]python bench/loss.py --quick[/] or
    [bold]python bench/loss.py --json[/]
    """
    times, jobs = (8, 3000) if quick else (40, 16_000)
    rows, figures = [], {}
    for transport in ("reliable", "stock"):
        for pool in ("threads", "prefork"):
            with rig() as here:
                found = kills(here, pool, transport=transport, times=times, jobs=jobs)
            numbers = (found.sent, found.lost, found.twice)
            rows.append((f"{transport}, {pool}", *map(str, numbers)))
            figures[f"lost_{transport}_{pool}"] = float(found.lost)
            figures[f"twice_{transport}_{pool}"] = float(found.twice)
    table(f"{times} kills", ("transport, pool", "sent", "lost", "run twice"), rows)
    lost = {f"lost_reliable_{pool}": Goal("0", 0, most=True) for pool in POOLS}
    figures["lost_stock"] = sum(figures[f"lost_stock_{pool}"] for pool in POOLS)
    seen = {} if quick else {"lost_stock": Goal("at least 1, or it sees none", 1)}
    finish(figures, {**lost, **seen}, as_json=as_json)


if __name__ == "__main__":
    command(bench)()
