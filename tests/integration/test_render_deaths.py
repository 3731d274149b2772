"""What is killed in the middle of a page: the job goes on, and nothing stays behind."""

from collections.abc import Callable
from typing import Any

import pytest
from celery.result import AsyncResult

from lab import Lab
from tests.conftest import Eventually
from tests.integration import browsers
from tests.stack import Stack

#: A browser has to be started again, on a machine that is busy.
WITHIN = 60
SOON = {"LIMPET_VISIBILITY_TIMEOUT_SECONDS": "3"}


@pytest.fixture
def send(
    stack: Stack, lab: Lab, publish: Callable[..., None]
) -> Callable[[str], AsyncResult[Any]]:
    """Send a job whose page takes two seconds."""
    publish(lab.proxies[0].line)

    def one(visitor: str) -> AsyncResult[Any]:
        steps = [{"do": "goto", "url": f"{lab.site}/shop/{visitor}/2?delay=2"}]
        job = {"url": f"{lab.site}/shop/{visitor}/1", "steps": steps}
        return stack.app().send_task("render", kwargs=job, queue="render")

    return one


def _is_under_way(lab: Lab, visitor: str) -> bool:
    return (visitor, 1) in [(one.visitor, one.page) for one in lab.visits()]


@pytest.fixture
def worker(stack: Stack) -> int:
    """A worker's process id."""
    return stack.worker(**SOON).pid


@pytest.mark.parametrize("part", ["renderers", "browsers", "drivers"])
def test_a_page_is_done_anew_when_a_part_of_the_browser_is_killed(
    worker: int,
    send: Callable[[str], AsyncResult[Any]],
    lab: Lab,
    eventually: Eventually,
    part: str,
) -> None:
    job = send(part)
    eventually(lambda: _is_under_way(lab, part), within=WITHIN)
    before = browsers.family(worker)
    victims = getattr(browsers, part)(worker)
    assert victims

    browsers.kill(*victims)
    page = job.get(timeout=WITHIN)

    assert (page["status"], page["title"], page["tries"]) == (200, "Page 2", 2)
    assert browsers.browsers(worker)
    if part != "renderers":
        gone = {pid: was for pid, was in before.items() if "headless" in was}
        eventually(lambda: browsers.alive(gone) == [], within=2)


def test_nothing_is_left_of_a_worker_that_is_killed_and_its_page_is_done(
    stack: Stack,
    worker: int,
    send: Callable[[str], AsyncResult[Any]],
    lab: Lab,
    eventually: Eventually,
) -> None:
    job = send("orphans")
    eventually(lambda: _is_under_way(lab, "orphans"), within=WITHIN)
    family = browsers.family(worker)
    assert len(browsers.browsers(worker)) == len(browsers.drivers(worker)) == 1

    browsers.kill(worker)

    eventually(lambda: browsers.alive(family) == [], within=2)
    stack.worker("heir", **SOON)
    assert job.get(timeout=WITHIN)["title"] == "Page 2"


def test_nothing_is_left_of_a_child_that_is_killed_and_its_page_is_done(
    stack: Stack,
    send: Callable[[str], AsyncResult[Any]],
    lab: Lab,
    eventually: Eventually,
) -> None:
    # Celery takes `prefork` for what is configured, which is threads.
    worker = stack.worker("forking", "-P", "processes", "-c", "1", **SOON).pid
    job = send("child")
    eventually(lambda: _is_under_way(lab, "child"), within=WITHIN)
    [child] = [one for one in browsers.family(worker) if browsers.drivers(one)]
    family = browsers.family(child)

    browsers.kill(child)

    eventually(lambda: browsers.alive(family) == [], within=2)
    assert job.get(timeout=WITHIN)["title"] == "Page 2"


def test_a_worker_that_is_told_to_end_finishes_its_page_and_takes_its_browser_along(
    stack: Stack,
    send: Callable[[str], AsyncResult[Any]],
    lab: Lab,
    eventually: Eventually,
) -> None:
    process = stack.worker(**SOON)
    job = send("ending")
    eventually(lambda: _is_under_way(lab, "ending"), within=WITHIN)
    family = browsers.family(process.pid)

    process.terminate()

    assert job.get(timeout=WITHIN)["title"] == "Page 2"
    process.wait(30)
    eventually(lambda: browsers.alive(family) == [], within=2)
