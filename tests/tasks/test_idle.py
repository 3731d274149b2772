"""A worker with nothing to do leaves Redis alone, and still hears of every queue."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

if TYPE_CHECKING:
    from tests.stack import Stack


def _claims(broker: Redis) -> int:
    stats: Any = broker.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))


def _allow(broker: Redis, *rules: str) -> None:
    send: Callable[..., object] = broker.execute_command
    send("ACL", "SETUSER", "default", *rules)


@pytest.mark.parametrize("tracking", [True, False])
def test_an_idle_worker_on_many_queues_looks_seldom_and_misses_nothing(
    stack: "Stack",
    redis_port: int,
    eventually: Callable[..., None],
    *,
    tracking: bool,
) -> None:
    broker = Redis(port=redis_port)
    if not tracking:
        _allow(broker, "-client", "+client|setname", "+client|id")
    try:
        stack.worker()
        before, start = _claims(broker), time.monotonic()
        eventually(lambda: time.monotonic() - start > 4)
        rate = (_claims(broker) - before) / (time.monotonic() - start)

        app = stack.app()
        results = [
            app.send_task("scrape", kwargs={"url": "x"}, queue=queue, priority=priority)
            for queue in ("scrape", "render", "celery")
            for priority in (0, 9)
        ]
        texts = [str(one.get(timeout=20, propagate=False)) for one in results]
        refused = "no_client_tracking" in stack.log("worker").read_text()
    finally:
        _allow(broker, "+@all")

    # One look a second, or four; a sweep now and then. Polling would be far beyond.
    assert rate < 8
    assert {text[:12] for text in texts} == {"url: must be"}
    assert refused is not tracking
