"""Jobs that had ended and are sent again: their end is news."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from limpet.client import Limpet

if TYPE_CHECKING:
    from lab import Lab
    from tests.stack import Stack
    from tests.webhooks.conftest import Receiver

Eventually = Callable[..., None]

#: By Celery, where it writes to Redis.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")


def test_a_dead_job_that_is_sent_again_tells_how_it_ended_this_time(
    stack: "Stack", receiver: "Receiver", lab: "Lab", eventually: Eventually
) -> None:
    lines = "\n".join(proxy.line for proxy in lab.proxies)
    assert stack.manage("proxies", "import", "-", stdin=lines).returncode == 0
    assert stack.manage("migrate").returncode == 0
    stack.worker(
        LIMPET_WEBHOOK_SECRET="Sign1ngS3cretOfTheTest", LIMPET_JOB_MAX_TRIES="1"
    )
    url = f"{lab.site}/limited/again?times=1&after=0"
    job = stack.app().send_task("scrape", kwargs={"url": url, "webhook": receiver.url})
    eventually(lambda: len(receiver.sent) == 1, within=60)
    eventually(lambda: stack.manage("dead", "show", job.id).returncode == 0, within=60)

    assert stack.manage("dead", "retry", job.id).returncode == 0

    eventually(lambda: len(receiver.sent) == 2, within=60)
    told = [json.loads(sent.body) for sent in receiver.sent]
    assert [one["event"] for one in told] == ["failed", "completed"]
    assert {one["job"] for one in told} == {job.id}
    # Who keeps the ids that it has seen takes the second for no copy.
    assert len({one["delivery"] for one in told}) == 2
    assert [one["delivery"] for one in told] == [one.delivery for one in receiver.sent]


def test_a_job_of_a_batch_is_sent_anew_once_it_has_ended_and_not_while_it_waits(
    stack: "Stack", redis: Redis
) -> None:
    broker = Redis.from_url(stack.broker_url)

    def sent() -> dict[str, str]:
        with Limpet(stack.broker_url) as limpet:
            limpet.scrape_batch(["http://a.example/"], batch_id="b")
        found: dict[str, str] = _headers(broker).get("limpet", {})
        return found

    first, waiting = sent(), sent()
    stack.app().backend.mark_as_failure(_headers(broker)["id"], RuntimeError())
    once = sent()
    stack.app().backend.mark_as_failure(_headers(broker)["id"], RuntimeError())
    twice = sent()

    assert (first, waiting) == ({}, {})
    assert once["again"]
    assert twice["again"] not in {"", once["again"]}


def _headers(broker: Redis) -> dict[str, Any]:
    newest: Any = broker.lindex("scrape", 0)
    found: dict[str, Any] = json.loads(newest)["headers"]
    return found
