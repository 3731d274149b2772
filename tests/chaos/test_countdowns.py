"""However many jobs wait, one that is ready is done at once; none is lost."""

import time

from bench.queue_rig import Rig, until

#: Beyond what Celery lets one worker hold, so that it would take nothing else.
MANY = 11_000


def test_thousands_of_jobs_for_later_do_not_keep_one_that_is_ready(rig: Rig) -> None:
    with rig.app.producer_pool.acquire(block=True) as producer:
        for number in range(MANY):
            rig.app.send_task(
                "bench.record",
                (number,),
                queue="scrape",
                countdown=3600,
                ignore_result=True,
                producer=producer,
            )
    worker = rig.worker("threads")
    rig.ready(worker)

    rig.app.send_task("bench.record", (-1,), queue="scrape", ignore_result=True)

    until(lambda: rig.told() == [-1], within=60)
    assert rig.broker.client.hlen("unacked_waiting") == MANY
    until(lambda: rig.broker.client.hlen("unacked") == 0, within=10)


def test_jobs_that_were_put_away_are_done_with_the_stock_transport(rig: Rig) -> None:
    ours = rig.worker("threads")
    rig.app.send_task("bench.record", (7,), queue="scrape", countdown=20)
    until(lambda: rig.broker.client.hlen("unacked_waiting") == 1, within=60)
    ours.kill()

    rig.worker("threads", LIMPET_TRANSPORT="stock")

    until(lambda: rig.told() == [7], within=90)


def test_a_job_is_done_when_it_is_due(rig: Rig) -> None:
    rig.ready(rig.worker("threads"))
    start = time.monotonic()

    rig.app.send_task("bench.record", (1,), queue="scrape", countdown=3)
    until(lambda: rig.told() == [1], within=30)

    assert time.monotonic() - start >= 3
