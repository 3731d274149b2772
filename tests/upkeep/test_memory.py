"""Worker and beat take no more memory after thousands of runs of all that there is."""

import sys
import threading
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Final

import pytest
from redis import Redis

from beat_schedule import ENTRIES
from limpet.connection import connect
from limpet.settings import variable_of
from limpet.upkeep import UpkeepStore
from sessions import SessionManager
from tests.conftest import Eventually
from tests.stack import Stack

#: Runs that are not counted: what is kept for good has to be made first.
WARM: Final = 500
RUNS: Final = 2_000
#: Each has a connection to SQLite, which keeps 2 MB of pages once it has seen as many.
THREADS: Final = 4
_PAGES: Final = THREADS * 2_000_000
#: As often as it may be.
EVERY: Final = {"seconds": "1", "minutes": "0.02"}
#: Messages that wait, at most: beat's own come between them.
_QUEUED: Final = 30


def _rss(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


@pytest.fixture
def asking(stack: Stack) -> Iterator[None]:
    """Ask for every task by turns, beside beat, which asks for each once a second."""
    over = threading.Event()

    def ask() -> None:
        app, broker = stack.app(), connect(stack.broker_url)
        with app.producer_pool.acquire(block=True) as producer:
            for entry in cycle(ENTRIES):
                while broker.llen("upkeep") > _QUEUED and not over.wait(0.02):
                    pass
                if over.is_set():
                    return
                app.send_task(
                    entry.task, queue="upkeep", ignore_result=True, producer=producer
                )

    thread = threading.Thread(target=ask)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.timeout(540)
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_memory_of_worker_and_beat_stays_flat(
    stack: Stack,
    redis: Redis,
    store: UpkeepStore,
    full_of: Callable[..., SessionManager],
    asking: None,
    eventually: Eventually,
) -> None:
    manager = full_of(redis, 200, expired=False)
    stack.manage("migrate")
    often = {
        variable_of(f"{entry.prefix}_interval_{entry.unit}"): EVERY[entry.unit]
        for entry in ENTRIES
    } | {
        "LIMPET_HEALTH_TIMEOUT_SECONDS": "0.2",
        "LIMPET_WORKER_THREADS": str(THREADS),
        "LIMPET_LOG_LEVEL": "WARNING",
    }
    processes = [stack.worker(**often), stack.celery("beat", log="beat", **often)]

    def runs() -> int:
        # Sessions that begin and end, so that there is something to do.
        manager.release(manager.acquire(None, hold=30))
        return sum(store.record(entry.task).runs for entry in ENTRIES)

    eventually(lambda: runs() >= WARM, within=240)
    before = [_rss(one.pid) for one in processes]
    eventually(lambda: runs() >= WARM + RUNS, within=240)
    after = [_rss(one.pid) for one in processes]

    worker, beat = (late - early for early, late in zip(before, after, strict=True))
    assert worker < _PAGES, worker
    assert beat < 1_000_000, beat
    least = min(store.record(entry.task).runs for entry in ENTRIES)
    assert least > RUNS / len(ENTRIES) / 4
    assert sum(store.record(entry.task).failures for entry in ENTRIES) == 0
