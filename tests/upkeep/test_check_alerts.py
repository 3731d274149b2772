"""Real workers tell what has changed: to the audit, the log and a webhook."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis

from limpet.keys import ALERT_OUTBOX, NO_POOL, Keys
from limpet.names import CHECK_ALERTS, DRAIN_AUDIT
from limpet.upkeep import UpkeepStore
from proxies import Outcome, Proxy, ProxyPool, ProxyRecord, Tried
from proxies.store import ProxyStore
from tests.conftest import Eventually
from tests.redis_server import RedisServer
from tests.stack import Stack

EVENTS: Final = Keys(NO_POOL).audit
SECRET: Final = "S3cretCanary"
AT_ONCE: Final = {
    "LIMPET_ALERT_AFTER_SECONDS": "0",
    # A run of its own is what these tests ask for.
    "LIMPET_ALERTS_ENABLED": "false",
}


class Receiver:
    """Takes webhooks; *answers* are used up one by one, then it is 200."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.signed: list[str] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.bodies.append(json.loads(body))
                receiver.signed.append(self.headers["X-Limpet-Signature"])
                status = receiver.answers.pop(0) if receiver.answers else 200
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing: the tests' output is read by people."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook?token={SECRET}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def failing(redis: Redis) -> Callable[[], None]:
    """Have nine of ten proxies of a pool fail."""

    def fail() -> None:
        pool = ProxyPool(ProxyStore(redis, "shop"))
        records = [
            ProxyRecord(Proxy("http", f"127.0.8.{n}", 80, "me", SECRET))
            for n in range(10)
        ]
        pool.publish(records)
        for one in records[1:]:
            for _ in range(3):
                pool.report(one.id, Tried(Outcome.FAULT, 0.1))

    return fail


def events(redis: Redis) -> list[dict[str, str]]:
    reader: Any = redis
    return [
        {name.decode(): value.decode() for name, value in event.items()}
        for _, event in reader.xrange(EVENTS)
    ]


def look(stack: Stack, times: int = 1) -> None:
    for _ in range(times):
        stack.app().send_task(CHECK_ALERTS, queue="upkeep")


def runs(redis: Redis) -> int:
    return UpkeepStore(redis).record(CHECK_ALERTS).runs


def test_a_change_is_told_to_the_audit_and_the_log_once(
    stack: Stack,
    redis: Redis,
    failing: Callable[[], None],
    eventually: Eventually,
) -> None:
    failing()
    stack.worker(**AT_ONCE, LIMPET_LOG_FORMAT="json")

    for number in (1, 2):
        look(stack)
        eventually(lambda: runs(redis) == number, within=30)  # noqa: B023 - it waits here

    told = [one for one in events(redis) if one["alert"] == "proxies:shop"]
    log = stack.log("worker").read_text()
    lines = [json.loads(one) for one in log.splitlines() if one.startswith("{")]
    said = [one for one in lines if one["event"] == "alert"]
    assert told == [
        {
            "event": "alert",
            "alert": "proxies:shop",
            "was": "healthy",
            "status": "degraded",
            "text": "1 of 10 usable, at least 20 %",
        }
    ]
    assert [one["alert"] for one in said].count("proxies:shop") == 1
    assert {one["level"] for one in said} == {"warning"}
    assert SECRET not in log + str(events(redis))


def test_a_change_is_in_the_history(
    stack: Stack,
    redis: Redis,
    failing: Callable[[], None],
    eventually: Eventually,
) -> None:
    assert stack.manage("migrate").returncode == 0
    failing()
    stack.worker(**AT_ONCE)
    look(stack)
    eventually(lambda: runs(redis) == 1, within=30)

    stack.app().send_task(DRAIN_AUDIT, queue="upkeep")

    def rows() -> list[tuple[str, str]]:
        with sqlite3.connect(stack.folder / "limpet.db") as database:
            return database.execute(
                "SELECT pool, details FROM audit_events WHERE event = 'alert'"
            ).fetchall()

    eventually(lambda: bool(rows()), within=30)
    told = [json.loads(details) for pool, details in rows() if pool == NO_POOL]
    assert "proxies:shop" in {one["alert"] for one in told}


def test_a_webhook_is_sent_for_each_change_and_again_until_it_is_taken(
    stack: Stack,
    redis: Redis,
    failing: Callable[[], None],
    receiver: Receiver,
    eventually: Eventually,
) -> None:
    receiver.answers = [503]
    failing()
    stack.worker(
        **AT_ONCE,
        LIMPET_ALERT_WEBHOOK_URL=receiver.url,
        LIMPET_WEBHOOK_SECRET="x" * 32,
        LIMPET_WEBHOOK_BACKOFF_SECONDS="0.1",
    )

    look(stack)

    eventually(lambda: runs(redis) == 1, within=30)
    names = {one["alert"] for one in events(redis)}
    eventually(lambda: len(receiver.bodies) == len(names) + 1, within=30)
    deliveries = {one["delivery"] for one in receiver.bodies}
    [body, *_] = [one for one in receiver.bodies if one["check"] == "proxies"]
    assert {one["alert"] for one in receiver.bodies} == names
    assert len(deliveries) == len(names)
    assert all(one.startswith("t=") for one in receiver.signed)
    assert (body["event"], body["pool"], body["status"]) == (
        "alert",
        "shop",
        "degraded",
    )
    eventually(lambda: not redis.exists(ALERT_OUTBOX))
    assert SECRET not in json.dumps(receiver.bodies)
    assert SECRET not in stack.log("worker").read_text()


def test_two_workers_that_look_at_once_tell_it_once(
    stack: Stack,
    redis: Redis,
    failing: Callable[[], None],
    receiver: Receiver,
    eventually: Eventually,
) -> None:
    failing()
    told = {
        **AT_ONCE,
        "LIMPET_ALERT_WEBHOOK_URL": receiver.url,
        "LIMPET_WEBHOOK_SECRET": "x" * 32,
    }
    for name in ("one", "two"):
        stack.worker(name, **told)

    look(stack, times=10)

    record = UpkeepStore(redis).record
    eventually(
        lambda: record(CHECK_ALERTS).runs + record(CHECK_ALERTS).overlaps == 10,
        within=60,
    )
    names = [one["alert"] for one in events(redis)]
    eventually(lambda: len(receiver.bodies) >= len(names))
    assert len(names) == len(set(names))
    assert sorted(one["alert"] for one in receiver.bodies) == sorted(names)


def test_a_silent_beat_is_told_though_nobody_has_it_looked_for(
    stack: Stack, redis: Redis, eventually: Eventually
) -> None:
    stack.worker(
        LIMPET_ALERT_AFTER_SECONDS="0",
        LIMPET_ALERTS_INTERVAL_SECONDS="1",
        LIMPET_HEALTH_BEAT_SILENT_SECONDS="1",
    )

    eventually(
        lambda: "scheduler" in {one["alert"] for one in events(redis)}, within=40
    )


def test_a_broker_that_is_away_is_told_by_the_workers_it_has_left(
    stack: Stack,
    redis: Redis,
    free_port: Callable[[], int],
    tmp_path: Path,
    eventually: Eventually,
) -> None:
    broker = RedisServer(free_port(), tmp_path / "broker")
    stack.broker_url = stack.environment["CELERY_BROKER_URL"] = f"{broker.url}/0"
    try:
        eventually(broker.answers)
        stack.worker(
            LIMPET_ALERT_AFTER_SECONDS="0",
            LIMPET_ALERTS_INTERVAL_SECONDS="1",
            LIMPET_HEALTH_BEAT_SILENT_SECONDS="1",
            LIMPET_HEALTH_TIMEOUT_SECONDS="2",
        )
    finally:
        broker.close()

    eventually(lambda: "broker" in {one["alert"] for one in events(redis)}, within=60)
    [told] = [one for one in events(redis) if one["alert"] == "broker"]
    assert (told["was"], told["status"]) == ("healthy", "down")


def test_workers_leave_it_to_beat_for_as_long_as_it_may_be_silent(
    stack: Stack, redis: Redis, eventually: Eventually
) -> None:
    stack.worker(LIMPET_ALERTS_INTERVAL_SECONDS="1")

    look_for = time.monotonic() + 3
    eventually(lambda: time.monotonic() > look_for)

    assert UpkeepStore(redis).record(CHECK_ALERTS).started == 0


def test_a_webhook_that_nothing_signs_is_refused_at_the_start(stack: Stack) -> None:
    done = stack.manage(
        "health", LIMPET_ALERT_WEBHOOK_URL=f"https://shop.example/?t={SECRET}"
    )

    assert done.returncode == 1
    assert "LIMPET_ALERT_WEBHOOK_URL: needs LIMPET_WEBHOOK_SECRET too" in done.stderr
    assert SECRET not in done.stderr
