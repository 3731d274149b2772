"""What is written about a job is the last word on it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, states
from redis import Redis

from tasks.backend import passed_on

Eventually = Callable[..., None]


@pytest.fixture
def backend(redis: Redis, redis_port: int) -> Iterator[Any]:
    app = Celery("test", set_as_current=False)
    url = f"redis://127.0.0.1:{redis_port}/{redis.get_connection_kwargs()['db']}"
    app.backend_cls = f"tasks.backend:Results+{url}"
    made: Any = app.backend
    yield made
    made.client.connection_pool.disconnect()


def _state(backend: Any, job: str) -> str:
    return str(backend._get_task_meta_for(job)["status"])


@pytest.mark.parametrize("state", [states.FAILURE, states.REVOKED, states.SUCCESS])
def test_who_is_late_to_say_that_it_tries_again_is_not_heard(
    backend: Any, state: str
) -> None:
    error: Any = None if state == states.SUCCESS else ValueError("no")
    backend.store_result("job", error, state)

    backend.mark_as_retry("job", ValueError("again"))

    assert _state(backend, "job") == state


def test_a_job_that_failed_and_was_sent_again_is_told_of(
    backend: Any, eventually: Eventually
) -> None:
    backend.mark_as_failure("job", ValueError("no"))

    backend.store_result("job", None, states.STARTED)
    eventually(lambda: _state(backend, "job") == states.STARTED)
    backend.mark_as_retry("job", ValueError("again"))
    assert _state(backend, "job") == states.RETRY
    backend.mark_as_failure("job", ValueError("no"))
    assert _state(backend, "job") == states.FAILURE


def test_what_has_done_stays_done(backend: Any) -> None:
    backend.mark_as_done("job", 1)

    for tell in (backend.mark_as_failure, backend.mark_as_revoked):
        tell("job", ValueError("no"))

    assert _state(backend, "job") == states.SUCCESS


def test_a_job_that_is_sent_anew_has_not_started_any_more(
    backend: Any, eventually: Eventually
) -> None:
    backend.store_result("job", None, states.STARTED)
    backend.store_result("later", None, states.STARTED)

    passed_on("job")

    eventually(lambda: _state(backend, "later") == states.STARTED)
    assert _state(backend, "job") == states.PENDING
