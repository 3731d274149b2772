"""A run that hangs until another one has begun changes nothing that this one says."""

import signal
from collections.abc import Callable

import pytest
from redis import Redis

from limpet.keys import TaskKeys
from limpet.names import CLEANUP_EXPIRED_SESSIONS
from limpet.upkeep import UpkeepStore
from sessions import SessionManager
from tests.conftest import Eventually
from tests.stack import Stack

KEYS = TaskKeys(CLEANUP_EXPIRED_SESSIONS)


@pytest.mark.timeout(240)
def test_a_frozen_worker_does_not_undo_what_another_one_has_done(
    stack: Stack,
    redis: Redis,
    store: UpkeepStore,
    full_of: Callable[..., SessionManager],
    eventually: Eventually,
) -> None:
    manager = full_of(redis, 15_000)
    app = stack.app()
    patient = {
        "LIMPET_VISIBILITY_TIMEOUT_SECONDS": "600",
        "LIMPET_UPKEEP_BUDGET_SECONDS": "120",
    }
    hanging = stack.worker("hanging", **patient)
    first = app.send_task(CLEANUP_EXPIRED_SESSIONS, queue="upkeep")
    eventually(lambda: manager.stats().sessions < 14_500, within=60)
    hanging.send_signal(signal.SIGSTOP)
    left = manager.stats().sessions
    assert left > 0

    # For as long as a lock holds that nobody renews.
    eventually(lambda: not redis.exists(KEYS.lock), within=40)
    stack.worker("other", **patient)
    second = app.send_task(CLEANUP_EXPIRED_SESSIONS, queue="upkeep").get(timeout=90)
    said = store.record(CLEANUP_EXPIRED_SESSIONS)
    hanging.send_signal(signal.SIGCONT)
    late = first.get(timeout=60)

    assert second["removed"] <= left
    assert manager.stats().sessions == 0
    found = store.record(CLEANUP_EXPIRED_SESSIONS)
    assert (found.result, found.ended) == (said.result, said.ended)
    assert (found.worker, found.overtaken) == ("other@test", 1)
    assert (found.runs, found.failures, found.running) == (1, 0, False)
    # None was removed, or counted, twice.
    assert late["removed"] + second["removed"] == 15_000
    assert manager.stats().counters["closed_idle"] == 15_000
    assert "upkeep_overtaken" in stack.log("hanging").read_text()
