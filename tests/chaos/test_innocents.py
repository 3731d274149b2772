"""A worker that dies is held against the jobs that had begun, and against no other."""

from bench.queue_rig import Rig, until

SOON = {"LIMPET_VISIBILITY_TIMEOUT_SECONDS": "2", "LIMPET_JOB_MAX_LOSSES": "1"}


def test_jobs_that_never_began_are_not_laid_aside(rig: Rig) -> None:
    broker, send = rig.broker.client, rig.app.send_task
    one_at_a_time = ("-c", "1", "--prefetch-multiplier", "4")
    send("bench.sleep", (0, 600), queue="scrape", priority=0)
    for number in (1, 2, 3):
        send("bench.sleep", (number, 0), queue="scrape", priority=9)

    for times in (1, 2):
        worker = rig.worker("prefork", options=one_at_a_time, **SOON)
        until(lambda n=times: rig.told("started").count(0) == n, within=60)  # type: ignore[misc] # mypy takes n for missing
        until(lambda: broker.scard("unacked_idle") == 3, within=30)
        worker.kill()
    rig.worker("prefork", options=one_at_a_time, **SOON)

    until(rig.idle, within=60)
    assert sorted(rig.told("done")) == [1, 2, 3]
    assert broker.hlen("unacked_parked") == 1


def test_jobs_that_wait_outlive_any_number_of_workers(rig: Rig) -> None:
    broker = rig.broker.client
    for number in range(5):
        rig.app.send_task("bench.sleep", (number, 0), queue="scrape", countdown=3600)

    for _ in range(3):
        worker = rig.worker("threads", **SOON)
        rig.ready(worker)
        until(lambda: broker.hlen("unacked_waiting") == 5, within=30)
        worker.kill()

    assert broker.hlen("unacked") == broker.hlen("unacked_parked") == 0
    assert broker.zcard("unacked_due:scrape") == 5
