"""Keys, as a worker asks for them: what the second job with a key is answered."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

if TYPE_CHECKING:
    from lab import Lab
    from tests.stack import Stack

Ask = Callable[..., list[Any]]

#: Calls *argv*, a list of [function, arguments], and prints what each returns.
PROGRAM = """
import json, sys
from limpet.errors import InvalidJob, StoreUnavailable
from limpet.jobs import ScrapeJob
from tasks import idempotency
for name, task, job in json.loads(sys.argv[1]):
    try:
        if name == "store":
            done = idempotency.app.backend.store_result(task, job, "SUCCESS")
        elif name == "claim":
            found = idempotency.claim("eu", "order-7", task, job=job)
            answer = None if found.first else idempotency.answer(found)
            done = [found.first, found.task_id, answer]
        elif name == "claim_for":
            done = idempotency.claim_for(ScrapeJob(**job), task).first
        else:
            done = getattr(idempotency, name)("eu", "order-7", task)
    except (InvalidJob, StoreUnavailable) as error:
        done = str(error)
    print(json.dumps(done))
"""
JOB = {"url": "https://h/"}


@pytest.fixture
def ask(stack: "Stack") -> Ask:
    def run(*calls: tuple[str, str, object], **environment: str) -> list[Any]:
        done = stack.run("-c", PROGRAM, json.dumps(calls), **environment)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_the_second_job_refers_to_the_first_or_has_its_result(ask: Ask) -> None:
    told = ask(
        ("claim", "t-1", JOB),
        ("claim", "t-2", JOB),
        ("store", "t-1", {"status": 200}),
        ("finish", "t-1", None),
        ("claim", "t-2", JOB),
    )

    running = {"duplicate_of": "t-1", "state": "running"}
    done = {"status": 200, "duplicate_of": "t-1", "state": "done"}
    assert told[0] == [True, "t-1", None]
    assert told[1] == [False, "t-1", running]
    assert told[4] == [False, "t-1", done]


def test_a_job_that_died_before_its_result_was_kept_runs_again(ask: Ask) -> None:
    told = ask(
        ("claim", "t-1", JOB),
        ("finish", "t-1", None),
        ("claim", "t-1", JOB),
        ("claim", "t-2", JOB),
        ("store", "t-1", {"status": 200}),
        ("claim", "t-1", JOB),
    )

    assert told[2] == [True, "t-1", None]
    assert told[3] == [False, "t-1", {"duplicate_of": "t-1", "state": "done"}]
    assert told[5][0] is False
    assert told[5][2]["status"] == 200


def test_another_job_under_the_same_key_is_refused_and_a_failed_one_makes_room(
    ask: Ask, redis: Redis
) -> None:
    other = {"url": "https://other/S3cret"}
    told = ask(
        ("claim", "t-1", JOB),
        ("claim", "t-2", other),
        ("release", "t-1", None),
        ("claim", "t-2", other),
    )

    assert told[1].startswith("idempotency_key: was used for another job (task t-1)")
    assert told[3] == [True, "t-2", None]
    assert b"S3cret" not in b"".join(
        redis.dump(key) or b"" for key in redis.scan_iter()
    )


def test_a_result_backend_that_is_away_is_an_error_that_can_be_cured(
    ask: Ask, free_port: Callable[[], int]
) -> None:
    away = f"redis://:S3cret@127.0.0.1:{free_port()}/0"
    told = ask(
        ("claim", "t-1", JOB),
        ("finish", "t-1", None),
        ("claim", "t-2", JOB),
        CELERY_RESULT_BACKEND=away,
    )

    assert told[0] == [True, "t-1", None]
    assert told[2].endswith("cannot reach CELERY_RESULT_BACKEND")


def test_a_job_that_spells_out_a_default_is_the_same_job(ask: Ask) -> None:
    job = {"url": "https://h/", "pool": "eu", "idempotency_key": "order-7"}

    told = ask(
        ("claim_for", "t-1", job),
        ("claim_for", "t-1", {**job, "method": "GET", "max_redirects": 10}),
        ("claim_for", "t-1", {**job, "method": "HEAD"}),
    )

    assert told[:2] == [True, True]
    assert "was used for another job" in told[2]


def test_a_key_is_held_for_as_long_as_its_job_may_wait(ask: Ask, redis: Redis) -> None:
    job = {"url": "https://h/", "pool": "eu", "idempotency_key": "order-7"}

    ask(("claim_for", "t-1", {**job, "max_age": 5000}))

    [key] = redis.keys("{eu}:k:*")
    assert redis.ttl(key) > 5000


def test_a_job_that_runs_for_longer_than_a_claim_lasts_keeps_its_key(
    stack: "Stack", lab: "Lab", eventually: Callable[..., None]
) -> None:
    lines = lab.proxies[0].line
    assert stack.manage("proxies", "import", "-", stdin=lines).returncode == 0
    stack.worker(LIMPET_JOB_MAX_AGE_SECONDS="1", LIMPET_VISIBILITY_TIMEOUT_SECONDS="1")
    urls = [f"{lab.site}/shop/long-claim/{n}" for n in range(7)]
    asked = {"urls": urls, "delay": 0.8, "idempotency_key": "long"}
    first = stack.app().send_task("scrape_many", kwargs=asked)
    eventually(lambda: len(_pages(lab)) >= 5)

    second = stack.app().send_task("scrape_many", kwargs=asked).get(timeout=30)

    assert second["duplicate_of"] == first.id
    assert first.get(timeout=30)["done"] == 7
    assert _pages(lab) == list(range(7))


def _pages(lab: "Lab") -> list[int]:
    return [one.page for one in lab.visits() if one.visitor == "long-claim"]
