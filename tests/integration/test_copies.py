"""A job of which there are two copies, and one is done: the other one does nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from celery.result import AsyncResult

from tests.integration.crew import Crew

Eventually = Callable[..., None]


@pytest.fixture(scope="module")
def own_crew(crew_with: Callable[..., Crew]) -> Crew:
    return crew_with(LIMPET_JOB_MAX_TRIES="3")


def _send(crew: Crew, job_id: str, path: str, retries: int = 0) -> AsyncResult[Any]:
    job = {"url": f"{crew.lab.site}{path}", "pool": crew.pool}
    return crew.app.send_task("scrape", kwargs=job, task_id=job_id, retries=retries)


def _done(crew: Crew) -> int:
    """Return how many jobs the worker has ended."""
    told = crew.app.control.inspect(timeout=2).stats() or {}
    return sum(sum(one["total"].values()) for one in told.values()) - _under_way(crew)


def _under_way(crew: Crew) -> int:
    asked = crew.app.control.inspect(timeout=2)
    each = [*(asked.active() or {}).values(), *(asked.reserved() or {}).values()]
    return sum(map(len, each))


def test_a_copy_that_was_sent_anew_asks_for_nothing(
    crew: Crew, eventually: Eventually
) -> None:
    page = _send(crew, "twice", "/shop/anew/1").get(timeout=30)
    before = _done(crew)

    _send(crew, "twice", "/shop/anew/1", retries=1)

    eventually(lambda: _done(crew) > before, within=30)
    assert len(crew.visits("anew")) == 1
    assert crew.app.AsyncResult("twice").result == page
