"""Webhooks on real workers: sent when a job is over, and once in effect."""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from tasks.webhook import delivery_id

if TYPE_CHECKING:
    from tests.stack import Stack
    from tests.webhooks.conftest import Receiver

Eventually = Callable[..., None]
Announce = Callable[..., list[str]]

SECRET = "Sign1ngS3cretOfTheTest"
QUICK = {
    "LIMPET_WEBHOOK_SECRET": SECRET,
    "LIMPET_WEBHOOK_BACKOFF_SECONDS": "0.2",
    "LIMPET_WEBHOOK_TIMEOUT_SECONDS": "1",
    "LIMPET_LOG_LEVEL": "DEBUG",
}

#: What a worker does when jobs are over: a list of [job, hook, error or null].
PROGRAM = """
import json, sys
from limpet.jobs import Hook
from tasks.webhook import Ended, announce
for job, hook, error in json.loads(sys.argv[1]):
    print(announce(job, Hook(**hook), Ended("default", "scrape", error, {"n": 1})))
"""


def _over(job: str, error: str | None = None, **hook: object) -> tuple[Any, ...]:
    return job, hook, error


@pytest.fixture
def announce(stack: "Stack", receiver: "Receiver") -> Announce:
    """Announce jobs, as `_over` describes them, to the receiver; return the ids."""

    def run(*jobs: tuple[str, dict[str, object], str | None]) -> list[str]:
        told = [[job, {"url": receiver.url, **hook}, why] for job, hook, why in jobs]
        done = stack.run("-c", PROGRAM, json.dumps(told), **QUICK)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return run


def test_a_job_that_is_done_is_announced_and_signed(
    stack: "Stack",
    receiver: "Receiver",
    announce: Announce,
    verify: Callable[..., bool],
    eventually: Eventually,
) -> None:
    stack.worker(**QUICK)

    announce(_over("job-1"))

    eventually(lambda: len(receiver.sent) == 1, within=90)
    [sent] = receiver.sent
    assert verify(sent.body, sent.headers["x-limpet-signature"], SECRET)
    told = json.loads(sent.body)
    assert isinstance(told.pop("at"), float)
    assert told == {
        "delivery": sent.delivery,
        "event": "completed",
        "job": "job-1",
        "task": "scrape",
        "pool": "default",
        "error": None,
        "summary": {"n": 1},
    }
    assert sent.delivery == delivery_id("job-1")


def test_a_job_that_failed_is_announced_to_who_asked_for_that(
    stack: "Stack", receiver: "Receiver", announce: Announce, eventually: Eventually
) -> None:
    stack.worker(**QUICK)

    announce(
        _over("job-1", "given up", events=["completed"]),
        _over("job-2", events=["failed"]),
        _over("job-3", "given up after 3 tries" + "!" * 9999, events=["failed"]),
    )

    eventually(lambda: len(receiver.sent) == 1, within=90)
    [told] = [json.loads(sent.body) for sent in receiver.sent]
    assert (told["job"], told["event"]) == ("job-3", "failed")
    assert told["error"].startswith("given up after 3 tries!")
    assert len(told["error"]) == 2000


def test_it_is_tried_again_with_the_same_id_and_body_until_it_is_taken(
    stack: "Stack",
    receiver: "Receiver",
    announce: Announce,
    redis: Redis,
    eventually: Eventually,
) -> None:
    stack.worker(**QUICK)
    receiver.answers = [(500, {}), (200, {}), (302, {"Location": "/x"}), (429, {})]
    receiver.delays = [0, 30]  # the second answer comes too late

    announce(_over("job-1"))

    key = f"{{default}}:wh:{delivery_id('job-1')}"
    eventually(lambda: redis.get(key) == b"done", within=90)
    assert len(receiver.sent) == 5
    assert len({sent.delivery for sent in receiver.sent}) == 1
    assert len({sent.body for sent in receiver.sent}) == 1
    assert {sent.path for sent in receiver.sent} == {receiver.sent[0].path}


def test_a_receiver_that_is_gone_is_asked_once_and_its_webhook_is_kept(
    stack: "Stack", receiver: "Receiver", announce: Announce, eventually: Eventually
) -> None:
    stack.manage("migrate")
    stack.worker(**QUICK)
    receiver.answers = [(410, {})]

    [delivery] = announce(_over("job-1"))

    log = stack.log("worker")
    eventually(lambda: "webhook_failed" in log.read_text(), within=90)
    assert "given up after 1 try in 0." in log.read_text()
    assert len(receiver.sent) == 1
    # The letter is written a moment after that line.
    eventually(lambda: stack.manage("dead", "show", str(delivery)).returncode == 0)
    assert "S3cret" not in stack.manage("dead", "show", str(delivery)).stdout
    assert stack.manage("dead", "retry", str(delivery)).returncode == 0
    eventually(lambda: len(receiver.sent) == 2, within=30)


def test_a_job_that_ran_twice_is_announced_once(
    stack: "Stack",
    receiver: "Receiver",
    announce: Announce,
    redis_port: int,
    eventually: Eventually,
) -> None:
    ids = announce(*[_over("job-1")] * 4)

    assert len(set(ids)) == 1
    assert Redis(port=redis_port, db=0).llen("webhooks") == 1
    stack.worker(**QUICK)
    eventually(lambda: len(receiver.sent) == 1, within=90)
    announce(_over("job-1", "given up, this time"), _over("job-2"))
    eventually(lambda: len(receiver.sent) == 2, within=90)
    assert json.loads(receiver.sent[1].body)["job"] == "job-2"


def test_a_broker_that_is_away_is_an_error_that_can_be_cured(
    stack: "Stack", receiver: "Receiver", free_port: Callable[[], int]
) -> None:
    away = f"redis://:S3cret@127.0.0.1:{free_port()}/0"
    told = json.dumps([["job-1", {"url": receiver.url}, None]])

    done = stack.run("-c", PROGRAM, told, **QUICK, CELERY_BROKER_URL=away)

    assert done.stderr.splitlines()[-1] == (
        "limpet.errors.base.StoreUnavailable: the store did not do its work: "
        "cannot reach the broker (CELERY_BROKER_URL)"
    )
    assert "S3cret" not in done.stderr


def test_messages_that_are_there_twice_are_in_effect_once(
    stack: "Stack",
    receiver: "Receiver",
    redis: Redis,
    redis_port: int,
    eventually: Eventually,
) -> None:
    body = json.dumps({"job": "job-1"})
    job = {"to": receiver.url, "body": body, "pool": "default"}
    receiver.delays = [0.5]
    app = stack.app()
    for _ in range(6):
        app.send_task("webhook", kwargs=job, task_id="same", queue="webhooks")

    stack.worker("one", **QUICK)
    stack.worker("two", **QUICK)

    broker = Redis(port=redis_port, db=0)
    eventually(lambda: broker.exists("webhooks", "unacked") == 0, within=90)
    assert redis.get("{default}:wh:same") == b"done"
    assert len(receiver.sent) == 1


def test_a_webhook_of_a_worker_that_was_killed_is_delivered_by_another(
    stack: "Stack",
    receiver: "Receiver",
    announce: Announce,
    redis: Redis,
    eventually: Eventually,
) -> None:
    soon = {
        **QUICK,
        "LIMPET_VISIBILITY_TIMEOUT_SECONDS": "3",
        "LIMPET_JOB_TIMEOUT_SECONDS": "2",
        "LIMPET_WEBHOOK_TIMEOUT_SECONDS": "2",
    }
    receiver.delays = [60]
    victim = stack.worker("victim", **soon)
    announce(_over("job-1"))
    eventually(lambda: len(receiver.sent) == 1, within=90)

    victim.kill()
    stack.worker("heir", **soon)

    key = f"{{default}}:wh:{delivery_id('job-1')}"
    eventually(lambda: redis.get(key) == b"done", within=80)
    assert len(receiver.sent) == 2
    assert len({sent.delivery for sent in receiver.sent}) == 1


def test_no_secret_is_in_the_queue_in_a_log_or_on_a_page(
    stack: "Stack",
    receiver: "Receiver",
    announce: Announce,
    redis: Redis,
    redis_port: int,
    eventually: Eventually,
) -> None:
    announce(_over("job-1"))
    broker = Redis(port=redis_port, db=0)
    [queued] = broker.lrange("webhooks", 0, -1)
    receiver.answers = [(500, {}), (503, {"Retry-After": "4"})]
    stack.worker(**QUICK)
    eventually(lambda: len(receiver.sent) == 2, within=90)
    inspect = stack.app().control.inspect(timeout=0.5)
    shown = str([inspect.active(), inspect.reserved(), inspect.scheduled()])
    [waiting] = [*broker.hvals("unacked"), *broker.hvals("unacked_waiting")]
    eventually(lambda: len(receiver.sent) == 3, within=30)
    log = stack.log("worker")
    eventually(lambda: "webhook_delivered" in log.read_text())

    ours = [redis.dump(key) or b"" for key in redis.scan_iter()]
    assert "Qu3ryS3cret" in str(queued) + str(waiting), "or it could not be delivered"
    for text in (queued, waiting, *ours):
        assert SECRET not in str(text)
    told = log.read_text() + shown + str(ours)
    for secret in (SECRET, "P4thS3cret", "Qu3ryS3cret"):
        assert secret not in told
    assert re.search(r"webhook_refused.*status=503.*tries=2", log.read_text())


def test_bad_arguments_are_one_clear_line(
    stack: "Stack", eventually: Eventually
) -> None:
    stack.worker(**QUICK)
    bad = {"to": "ftp://h/S3cret", "body": 1, "poool": "x"}

    stack.app().send_task("webhook", kwargs=bad, queue="webhooks")

    log = stack.log("worker")
    eventually(lambda: "job_refused" in log.read_text(), within=90)
    assert "to: must be an http:// or https:// URL" in log.read_text()
    assert "poool: there is no such field; did you mean 'pool'" in log.read_text()
    assert "S3cret" not in log.read_text()


def test_a_webhook_that_cannot_be_sent_is_refused_before_the_job(
    stack: "Stack",
) -> None:
    program = """
from limpet.errors import InvalidJob
from limpet.jobs import Hook
from tasks.webhook import check
check(None)
for url in ("https://hooks.example/", "http://10.0.0.1/S3cret"):
    try:
        check(Hook(url=url))
    except InvalidJob as error:
        print(error)
"""
    without = stack.run("-c", program)
    signed = stack.run("-c", program, **QUICK)

    assert without.stdout.count("webhook: the workers have no LIMPET_WEBHOOK_SECR") == 2
    [refused] = signed.stdout.splitlines()
    assert refused.startswith("webhook: url: the address is refused: 10.0.0.1")
    assert "S3cret" not in refused
