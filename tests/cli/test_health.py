"""``manage.py health``: a table for people, JSON and a code for scripts."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from proxies import ProxyPool
from tests.redis_server import RedisServer

if TYPE_CHECKING:
    from tests.stack import Stack

Eventually = Callable[..., None]
#: Planted in URLs that cannot be reached.
SECRET = "S3cretCanary"


def test_all_is_healthy_with_a_worker_beat_and_tables(
    stack: "Stack", pool: ProxyPool, eventually: Eventually
) -> None:
    stack.manage("migrate")
    stack.worker()
    stack.celery("beat", log="beat", LIMPET_SNAPSHOT_INTERVAL_SECONDS="1")

    eventually(lambda: stack.manage("health").returncode == 0, within=60)

    told = json.loads(stack.manage("health", "--json").stdout)
    assert told["status"] == "healthy"
    assert {one["check"] for one in told["checks"]} == {
        "redis",
        "broker",
        "sql",
        "workers",
        "scheduler",
        "upkeep",
        "snapshots",
        "data",
        "sessions",
        "memory",
        "cleanup",
        "proxies",
    }


def test_what_is_degraded_is_code_1_and_says_what_to_do(
    stack: "Stack", pool: ProxyPool
) -> None:
    stack.worker()

    done = stack.manage("health")

    assert done.returncode == 1, done.stderr
    assert "scheduler" in done.stdout
    assert "Start beat: celery -A tasks beat." in done.stdout
    assert "python manage.py migrate" in done.stdout


def test_no_worker_is_code_2(stack: "Stack", pool: ProxyPool) -> None:
    done = stack.manage("health", "--json")

    [workers] = [
        one for one in json.loads(done.stdout)["checks"] if one["check"] == "workers"
    ]
    assert done.returncode == 2
    assert (workers["status"], workers["value"], workers["limit"]) == ("down", 0, 1)


def test_a_limit_is_a_setting(stack: "Stack", pool: ProxyPool) -> None:
    done = stack.manage("health", "--json", LIMPET_HEALTH_MIN_WORKERS="0")

    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "degraded"


def test_a_frozen_redis_is_code_2_in_a_few_seconds(
    stack: "Stack", free_port: Callable[[], int], tmp_path: Path, eventually: Eventually
) -> None:
    server = RedisServer(free_port(), tmp_path / "frozen")
    try:
        eventually(server.answers)
        server.freeze()
        start = time.monotonic()

        done = stack.manage("health", "--json", LIMPET_REDIS_URL=f"{server.url}/1")
    finally:
        server.close()

    took = time.monotonic() - start
    states = {one["check"]: one for one in json.loads(done.stdout)["checks"]}
    assert done.returncode == 2
    assert states["redis"]["text"] == "no answer from Redis in time"
    assert states["broker"]["status"] == "healthy"
    assert states["sessions"]["status"] == "unknown"
    assert took < 20


def test_servers_that_are_not_there_are_named_without_their_addresses(
    stack: "Stack", free_port: Callable[[], int]
) -> None:
    port = free_port()
    done = stack.manage(
        "health",
        LIMPET_REDIS_URL=f"redis://me:{SECRET}@127.0.0.1:{port}/1",
        CELERY_BROKER_URL=f"redis://me:{SECRET}@127.0.0.1:{port}/0",
        LIMPET_DATABASE_URL=f"postgresql+psycopg://me:{SECRET}@127.0.0.1:{port}/x",
    )

    assert done.returncode == 2
    assert "cannot reach Redis" in done.stdout
    assert "cannot reach the broker" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert str(port) not in done.stdout + done.stderr
