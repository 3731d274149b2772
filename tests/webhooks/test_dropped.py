"""Jobs that are dropped before they could begin: whoever waits for them is told."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from lab import Lab

if TYPE_CHECKING:
    from tests.stack import Stack
    from tests.webhooks.conftest import Receiver

Eventually = Callable[..., None]

SECRET = {"LIMPET_WEBHOOK_SECRET": "Sign1ngS3cretOfTheTest"}


@pytest.fixture
def send(stack: "Stack", receiver: "Receiver", lab: Lab) -> Callable[..., Any]:
    """Send a job with a webhook and a key to a worker that has a proxy."""
    line = lab.proxies[0].line
    assert stack.manage("proxies", "import", "-", stdin=line).returncode == 0
    assert stack.manage("migrate").returncode == 0
    stack.worker(**SECRET)

    def one(path: str, **options: Any) -> Any:
        job = {"url": lab.site + path, "webhook": {"url": receiver.url}}
        job["idempotency_key"] = "order-7"
        return stack.app().send_task("scrape", kwargs=job, **options)

    return one


def _told(receiver: "Receiver") -> list[tuple[str, str, str]]:
    bodies = [json.loads(sent.body) for sent in receiver.sent]
    return [(body["job"], body["event"], body["error"]) for body in bodies]


def test_a_job_that_is_cancelled_while_it_waits_lets_its_key_go_and_says_so(
    stack: "Stack", receiver: "Receiver", send: Any, eventually: Eventually
) -> None:
    path = "/limited/dropped?times=1&after=45"
    first = send(path)
    broker = Redis.from_url(stack.broker_url)
    eventually(lambda: broker.hexists("unacked_waiting", first.id), within=30)

    first.revoke()
    eventually(lambda: len(receiver.sent) == 1, within=20)
    second = send(path)

    assert _told(receiver) == [(first.id, "failed", "cancelled")]
    assert first.state == "REVOKED"
    # It waits for the same site: it is not taken for a copy of the first.
    eventually(lambda: broker.hkeys("unacked_waiting") == [second.id.encode()])


def test_a_job_that_was_sent_for_later_can_be_cancelled_at_once(
    stack: "Stack", receiver: "Receiver", send: Any, eventually: Eventually
) -> None:
    job = send("/whoami", countdown=3600)
    broker = Redis.from_url(stack.broker_url)
    eventually(lambda: broker.hexists("unacked_waiting", job.id), within=30)

    job.revoke()

    eventually(lambda: len(receiver.sent) == 1, within=20)
    assert _told(receiver) == [(job.id, "failed", "cancelled")]
    eventually(lambda: broker.hlen("unacked") == 0)


def test_a_job_that_expires_is_a_dead_letter_and_says_so(
    stack: "Stack", receiver: "Receiver", send: Any, eventually: Eventually
) -> None:
    job = send("/whoami", expires=-5)

    eventually(lambda: len(receiver.sent) == 1, within=20)
    assert _told(receiver) == [(job.id, "failed", "it has expired")]
    shown = stack.manage("dead", "show", job.id, "--json")
    letter = json.loads(shown.stdout)
    assert (letter["reason"], letter["queue"]) == ("expired", "celery")
    # The key is free again.
    assert send("/whoami").get(timeout=30)["status"] == 200


def test_the_key_of_a_cancelled_job_is_free_although_no_worker_has_said_so(
    stack: "Stack", send: Any, eventually: Eventually
) -> None:
    first = send("/limited/unsaid?times=1&after=45")
    broker = Redis.from_url(stack.broker_url)
    eventually(lambda: first.state == "RETRY", within=30)

    key = f"celery-task-meta-{first.id}"
    kept = json.loads(broker.get(key) or b"")
    broker.set(key, json.dumps({**kept, "status": "REVOKED"}))

    second = send("/limited/unsaid?times=1&after=45")
    eventually(lambda: broker.hexists("unacked_waiting", second.id), within=30)
