"""A broker and a session Redis in containers that go away and come back."""

import time
from collections.abc import Callable

from tests.docker.cluster.crowd import Crowd, states

Eventually = Callable[..., None]

#: Seconds for which the broker is away.
OUTAGE = 60
#: Within so many seconds workers go on.
RESUME = 10


def test_a_broker_that_is_away_for_a_minute_costs_no_job(
    crowd: Crowd, eventually: Eventually
) -> None:
    before = crowd.started()
    running = [crowd.send(f"running-{n}", delay=3) for n in range(8)]
    eventually(lambda: crowd.leases() == 8, within=150)
    waiting = [crowd.send(f"waiting-{n}") for n in range(20)]
    broker = crowd.broker

    broker._container.kill()
    back = time.monotonic() + OUTAGE
    # What ran is done meanwhile, and cannot say so.
    eventually(lambda: crowd.leases() == 0, within=150)
    eventually(lambda: time.monotonic() >= back, within=OUTAGE + 10)
    broker._container.start()

    eventually(lambda: bool(crowd.answering()), within=RESUME)
    eventually(lambda: states(running + waiting) == {"SUCCESS": 28}, within=150)
    assert crowd.started() == before
    assert set(crowd.visits().values()) == {1}


def test_a_session_redis_that_is_restarted_costs_neither_jobs_nor_bindings(
    crowd: Crowd, eventually: Eventually
) -> None:
    names = [f"bound-{n}" for n in range(8)]
    first = [crowd.send(name, session=name) for name in names]
    proxies = [job.get(timeout=90)["proxy"] for job in first]
    store = crowd.store._container
    second = [crowd.send(name, 2, delay=2, session=name) for name in names]
    eventually(lambda: crowd.leases() == 8, within=150)

    store.kill()
    third = [crowd.send(name, 3, session=name) for name in names]
    store.start()

    eventually(lambda: states(second + third) == {"SUCCESS": 16}, within=150)
    pages = [job.get() for job in second + third]
    assert [page["proxy"] for page in pages] == proxies * 2
    assert {page["generation"] for page in pages} == {1}
