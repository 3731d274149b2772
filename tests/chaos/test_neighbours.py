"""Stock workers beside ours: neither takes what the other one works on."""

from collections import Counter
from collections.abc import Callable

from bench.queue_rig import Rig, Worker, until

Neighbour = Callable[..., Worker]


def test_jobs_that_stock_workers_run_are_left_to_them(
    rig: Rig, neighbour: Neighbour
) -> None:
    # One loss would be one too many: the first sweep that takes a job shows.
    rig.ready(rig.worker("threads", LIMPET_VISIBILITY_TIMEOUT_SECONDS="1"))
    worker = neighbour()

    for number in range(3):
        rig.app.send_task("mine.work", (number, 12), queue="mine")

    until(lambda: len(rig.told("done")) >= 3, within=90)
    until(rig.idle, within=20)
    assert Counter(rig.told("started")) == {0: 1, 1: 1, 2: 1}
    assert rig.broker.client.hlen("unacked_parked") == 0
    assert worker.alive


def test_stock_workers_leave_the_jobs_that_we_run(
    rig: Rig, neighbour: Neighbour
) -> None:
    neighbour(NEIGHBOUR_VISIBILITY="5")
    rig.ready(rig.worker("threads", LIMPET_VISIBILITY_TIMEOUT_SECONDS="3"))

    for number in range(3):
        rig.app.send_task("bench.sleep", (number, 15), queue="scrape")

    until(lambda: len(rig.told("done")) >= 3, within=90)
    until(rig.idle, within=20)
    assert Counter(rig.told("started")) == {0: 1, 1: 1, 2: 1}
