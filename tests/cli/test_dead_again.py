"""`manage.py dead retry`: what becomes of jobs that are sent again."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from limpet.client import Limpet
from limpet.errors import JobCancelled, JobUnfinished

if TYPE_CHECKING:
    from lab import Lab
    from tests.stack import Stack

Eventually = Callable[..., None]


@pytest.fixture
def busy(stack: "Stack", lab: "Lab") -> "Stack":
    """Give a stack with a worker."""
    assert stack.manage("migrate").returncode == 0
    lines = "\n".join(proxy.line for proxy in lab.proxies)
    stack.manage("proxies", "import", "-", stdin=lines)
    stack.worker(LIMPET_JOB_MAX_TRIES="1")
    return stack


def test_a_job_that_expired_runs_when_it_is_sent_again(
    busy: "Stack", lab: "Lab", eventually: Eventually
) -> None:
    job = {"url": f"{lab.site}/shop/expired/1"}
    sent = busy.app().send_task("scrape", kwargs=job, expires=0.0001)
    with Limpet(busy.broker_url) as limpet, pytest.raises(JobCancelled, match="expire"):
        limpet.job(sent.id).get(timeout=30)
    eventually(lambda: busy.manage("dead", "show", sent.id).returncode == 0)

    assert busy.manage("dead", "retry", sent.id).returncode == 0

    assert sent.get(timeout=30)["status"] == 200


def test_what_is_to_follow_a_job_follows_it_when_it_is_sent_again(
    busy: "Stack", lab: "Lab", eventually: Eventually
) -> None:
    app, broker = busy.app(), Redis.from_url(busy.broker_url)
    url = f"{lab.site}/limited/follow?times=1&after=0"
    then = app.signature("shop.store", queue="shop")
    job = app.send_task("scrape", kwargs={"url": url}, link=then)
    job.get(timeout=30, propagate=False)
    eventually(lambda: busy.manage("dead", "show", job.id).returncode == 0)
    assert (job.state, broker.llen("shop")) == ("FAILURE", 0)

    assert busy.manage("dead", "retry", job.id).returncode == 0

    assert app.AsyncResult(job.id).get(timeout=30)["status"] == 200
    eventually(lambda: broker.llen("shop") == 1)
    message = json.loads(broker.lindex("shop", 0) or b"")
    assert message["headers"]["task"] == "shop.store"


def test_who_waits_for_a_job_that_is_sent_again_waits_for_its_new_end(
    stack: "Stack", lab: "Lab", eventually: Eventually
) -> None:
    assert stack.manage("migrate").returncode == 0
    lines = "\n".join(proxy.line for proxy in lab.proxies)
    stack.manage("proxies", "import", "-", stdin=lines)
    worker = stack.worker(LIMPET_JOB_MAX_TRIES="1")
    url = f"{lab.site}/limited/new-end?times=1&after=0"
    job = stack.app().send_task("scrape", kwargs={"url": url})
    job.get(timeout=30, propagate=False)
    eventually(lambda: stack.manage("dead", "show", job.id).returncode == 0)
    worker.terminate()
    worker.wait(20)

    assert stack.manage("dead", "retry", job.id).returncode == 0

    with Limpet(stack.broker_url) as limpet, pytest.raises(JobUnfinished):
        limpet.job(job.id).get(timeout=0.1)


@pytest.mark.parametrize(
    "command", [("show",), ("retry",), ("purge", "--yes"), ("ls", "--task")]
)
def test_a_name_that_is_no_text_is_that_of_no_letter(
    stack: "Stack", command: tuple[str, ...]
) -> None:
    assert stack.manage("migrate").returncode == 0

    done = stack.manage("dead", *command, "\udcff")

    assert "Traceback" not in done.stderr
    assert ("no dead letter" in done.stderr) or ("no dead letters" in done.stdout)


def test_a_number_that_no_database_has_is_refused(stack: "Stack") -> None:
    for command in (("dead", "ls", "--limit"), ("results", "show", "x", "--item")):
        done = stack.manage(*command, "9" * 20)

        assert done.returncode == 2
        assert "Input should be less than or equal to 1000000000" in done.stderr
