"""Workers in containers that are killed or frozen, or get what nobody can read."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.docker.cluster.crowd import Crowd

Eventually = Callable[..., None]

VISIBILITY = 4
#: No JSON, a message without a task, and one whose arguments cannot be read.
POISONS = (
    "{",
    json.dumps({"body": "e30=", "headers": {}, "properties": {}}),
    json.dumps(
        {
            "body": "%%%",
            "content-type": "application/json",
            "headers": {"task": "scrape", "id": "poison"},
            "properties": {
                "delivery_tag": "poison",
                "body_encoding": "base64",
                "delivery_info": {"exchange": "", "routing_key": "scrape"},
            },
        }
    ),
)


def _running_on(crowd: Crowd, job: Any, eventually: Eventually) -> Any:
    found: list[Any] = []

    def runs() -> bool:
        found[:] = [crowd.holder(job)]
        return found[0] is not None

    eventually(runs, within=150)
    return found[0]


def test_the_job_of_a_killed_worker_is_done_by_the_other_one(
    crowd: Crowd, eventually: Eventually
) -> None:
    job = crowd.send("victim", delay=8)
    victim = _running_on(crowd, job, eventually)
    killed = time.monotonic()

    victim.kill()
    page = job.get(timeout=90)

    # Eight of the seconds are the page's own.
    assert time.monotonic() - killed < VISIBILITY + 6 + 8
    assert (page["status"], page["generation"]) == (200, 1)
    assert "victim" in page["text"]
    # The dead one may have been fetching, and the other one fetched; nobody else did.
    assert crowd.visits() <= Counter({("victim", 1): 2})
    assert crowd.broker.client.hlen("unacked") == 0


def test_a_worker_that_thaws_changes_nothing_of_a_session_that_went_on(
    crowd: Crowd, eventually: Eventually
) -> None:
    def seen(page: int, **more: Any) -> Any:
        return crowd.send("frozen", page, session="frozen", timeout=10, **more)

    first = seen(1).get(timeout=90)
    # Until its worker is found and frozen, which takes a busy machine seconds.
    job = seen(2, delay=7)
    victim = _running_on(crowd, job, eventually)
    victim.container._container.pause()

    # The lease of who is frozen ends, at the latest, 15 s after its fetches would have.
    pages = [job.get(timeout=90), seen(3).get(timeout=90), seen(4).get(timeout=90)]
    victim.container._container.unpause()
    eventually(lambda: len(crowd.answering()) == 2, within=150)
    pages.append(seen(5).get(timeout=90))

    assert [page["proxy"] for page in pages] == [first["proxy"]] * 4
    assert {page["generation"] for page in pages} == {1}
    # Its late answer came with a cookie that was long out of date: it was not taken, or
    # the site would have counted from 2 again. It may fetch its page once more.
    counts = [int(re.findall(r"id=seen>(\d+)<", page["text"])[0]) for page in pages]
    assert counts[:3] == [2, 3, 4]
    assert counts[3] in {5, 6}
    assert "lease_not_ended" in victim.logs()


def test_a_message_that_nobody_can_read_stops_nobody(
    crowd: Crowd, eventually: Eventually
) -> None:
    before = crowd.started()
    broker = crowd.broker.client
    for poison in POISONS:
        broker.lpush("scrape", poison)
    crowd.app.send_task("no-such-task", queue="scrape")

    pages = [crowd.send(f"after-{n}").get(timeout=90) for n in range(8)]

    assert [page["status"] for page in pages] == [200] * 8
    # Two are dead letters at once, two are put aside until beat has them moved there.
    eventually(lambda: crowd.sessions.hlen("limpet:{dead}") == 2, within=150)
    assert broker.hlen("unacked_parked") == 2
    assert crowd.started() == before
    assert len(crowd.answering()) == 2
    assert (broker.llen("scrape"), broker.hlen("unacked")) == (0, 0)
