"""What a caller gets wrong is told by its name, and is no run that failed."""

from typing import Any, Final

import pytest
from celery.result import AsyncResult
from redis import Redis

from limpet.errors import InvalidJob
from limpet.upkeep import NEVER, UpkeepStore
from tasks.upkeep.audit import drain_audit
from tasks.upkeep.cleanup import cleanup_expired_sessions
from tests.stack import Stack

CLEANUP: Final = "cleanup_expired_sessions"
SIZES: Final[tuple[object, ...]] = (-1, 0, 501, "50", True, 1.5)
AGES: Final[tuple[object, ...]] = (-1, 0, "abc", True, 525_601, [], float("nan"))
WRONG: Final = [
    *(("batch_size", value) for value in SIZES),
    *(("max_age_minutes", value) for value in AGES),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_what_cannot_be_is_refused_by_its_name(field: str, value: object) -> None:
    with pytest.raises(InvalidJob, match=rf"^{field}: input should be"):
        cleanup_expired_sessions(**{field: value})


@pytest.mark.parametrize(
    ("args", "kwargs", "says"),
    [
        ((), {"batch": 5}, "batch: there is no such field; did you mean 'batch_size'"),
        ((1, 2, 3), {}, "cleanup_expired_sessions: takes 2 arguments, not 3"),
        ((60,), {"max_age_minutes": 60}, "max_age_minutes: is given twice"),
    ],
)
def test_arguments_that_it_does_not_take_are_named(
    args: tuple[object, ...], kwargs: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidJob, match=f"^{says}"):
        cleanup_expired_sessions(*args, **kwargs)


def test_a_task_that_takes_nothing_says_so() -> None:
    with pytest.raises(InvalidJob, match=r"^pool: there is no such field .*: none\)"):
        drain_audit(pool="default")


def test_a_callers_mistake_is_no_failed_run(stack: Stack, redis: Redis) -> None:
    stack.worker()
    app = stack.app()

    def ends(task: str, **message: Any) -> str:
        sent: AsyncResult[Any] = app.send_task(task, queue="upkeep", **message)
        return str(sent.get(timeout=30, propagate=False))

    wrong = ends(CLEANUP, kwargs={"max_age_minutes": "abc"})
    unknown = ends(CLEANUP, kwargs={"older": 5})
    header = ends(CLEANUP, headers={"upkeep_sent_ms": "abc", "upkeep_slot": 7})
    right = ends(CLEANUP, args=[60, 100])

    assert "max_age_minutes: input should be a valid number" in wrong
    assert "older: there is no such field" in unknown
    assert "'removed': 0" in header
    assert "'removed': 0" in right
    found = UpkeepStore(redis).record(CLEANUP)
    assert found != NEVER
    assert (found.runs, found.failures) == (2, 0)
    assert "Traceback" not in stack.log("worker").read_text()
