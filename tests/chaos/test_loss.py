"""Whatever is killed, every job that was accepted is done."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from kombu.exceptions import OperationalError

from bench.loss import kills
from bench.queue_rig import POOLS, Rig, until

SOON = {"LIMPET_VISIBILITY_TIMEOUT_SECONDS": "5"}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("pool", POOLS)
def test_no_job_is_lost_when_workers_are_killed_under_load(rig: Rig, pool: str) -> None:
    found = kills(rig, pool, transport="reliable", times=8, jobs=3000)

    assert (found.sent, found.lost) == (3000, 0)


class Producer(threading.Thread):
    """Enqueues jobs of 0.1 s without a pause; knows which were accepted."""

    def __init__(self, rig: Rig) -> None:
        super().__init__()
        self.accepted: list[int] = []
        self._rig = rig
        self._over = threading.Event()
        self._number = 0

    def run(self) -> None:
        while not self._over.wait(0.05):
            self._number += 1
            try:
                # Who waits for a result would dial the backend, too.
                self._rig.app.send_task(
                    "bench.sleep",
                    (self._number, 0.1),
                    queue="scrape",
                    retry=False,
                    ignore_result=True,
                )
            except OperationalError:
                continue
            self.accepted.append(self._number)

    def stop(self) -> None:
        self._over.set()
        self.join()


@contextmanager
def _under_load(rig: Rig) -> Iterator[Producer]:
    producer = Producer(rig)
    producer.start()
    try:
        until(lambda: len(rig.told()) > 20, within=30)
        yield producer
        back = len(rig.told())
        until(lambda: len(rig.told()) > back + 20, within=150)
    finally:
        producer.stop()
    until(rig.idle, within=150, step=0.2)


def _killed(rig: Rig) -> None:
    rig.broker.kill()
    _pass(2)
    rig.broker.start()


def _away(rig: Rig) -> None:
    rig.broker.kill()
    _pass(30)
    rig.broker.start()


def _frozen(rig: Rig) -> None:
    rig.broker.freeze()
    _pass(20)
    rig.broker.thaw()


def _pass(seconds: float) -> None:
    """Let the trouble last: how long it does is what is tested."""
    threading.Event().wait(seconds)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("pool", "trouble"),
    [
        ("threads", _killed),
        ("prefork", _killed),
        ("threads", _away),
        ("threads", _frozen),
    ],
)
def test_a_broker_in_trouble_costs_no_job_and_no_worker(
    durable_rig: Rig, pool: str, trouble: Callable[[Rig], None]
) -> None:
    worker = durable_rig.worker(pool, **SOON)

    with _under_load(durable_rig) as producer:
        trouble(durable_rig)

    done = Counter(durable_rig.told())
    assert worker.alive
    assert set(producer.accepted) - set(done) == set()
    assert [number for number, times in done.items() if times > 1] == []


def test_long_jobs_and_countdowns_run_once_however_short_the_visibility(
    rig: Rig,
) -> None:
    for pool in POOLS:
        rig.worker(pool, **SOON)
    send = rig.app.send_task

    long = [send("bench.sleep", (n, 18), queue="scrape") for n in range(4)]
    later = [
        send("bench.sleep", (n, 0), queue="scrape", countdown=15) for n in range(4, 8)
    ]

    assert [result.get(timeout=60) for result in long + later] == list(range(8))
    until(rig.idle, within=10)
    assert sorted(rig.told("started")) == list(range(8))


def test_a_worker_that_is_told_to_end_gives_back_what_it_has_not_begun(
    rig: Rig,
) -> None:
    worker = rig.worker("threads", options=("-c", "2"), **SOON)
    send = rig.app.send_task
    send("bench.sleep", (9, 0), queue="scrape", countdown=600)
    until(lambda: rig.broker.client.hlen("unacked_waiting") == 1, within=30)
    for number in (1, 2):
        send("bench.sleep", (number, 2), queue="scrape")
    until(lambda: len(rig.told("started")) == 2, within=30)
    for number in range(3, 9):
        send("bench.sleep", (number, 0), queue="scrape")

    code = worker.stop()

    assert code == 0
    assert sorted(rig.told()) == [1, 2]
    assert rig.broker.client.hlen("unacked") == 0
    assert rig.broker.client.llen("scrape") == 6
    assert rig.broker.client.hlen("unacked_waiting") == 1


def test_a_job_that_kills_its_process_is_given_up(rig: Rig) -> None:
    worker = rig.worker("prefork", LIMPET_JOB_MAX_LOSSES="1")

    killer = rig.app.send_task("bench.die", (7,), queue="scrape")
    good = rig.app.send_task("bench.sleep", (1, 0), queue="scrape")

    assert good.get(timeout=30) == 1
    text = str(killer.get(timeout=40, propagate=False))
    assert text.startswith("Worker exited prematurely: signal 9")
    assert rig.told("started").count(7) == 2
    assert worker.alive


def test_a_job_that_kills_every_worker_is_laid_aside(rig: Rig) -> None:
    env = {"LIMPET_VISIBILITY_TIMEOUT_SECONDS": "1", "LIMPET_JOB_MAX_LOSSES": "1"}
    rig.app.send_task("bench.die", (7,), queue="scrape")
    for _ in range(2):
        rig.worker("threads", **env).ended(within=40)

    heir = rig.worker("threads", **env)

    until(lambda: rig.broker.client.hlen("unacked_parked") == 1, within=40)
    assert heir.alive
    assert rig.told("started") == [7, 7]
