"""Messages that are for later wait outside the work queue, and lose nothing there."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from celery import Celery
from kombu import Connection
from kombu.transport.redis import Transport as StockTransport
from redis import Redis

from tasks.forwarding import forward
from tasks.transport import Transport

Connect = Callable[..., Connection]


@pytest.fixture
def broker(redis_port: int) -> Iterator[Redis]:
    with Redis(port=redis_port, db=3) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def channel(broker: Redis, redis_port: int) -> Iterator[Any]:
    """A channel of our transport."""
    url = f"redis://127.0.0.1:{redis_port}/3"
    with Connection(url, transport=Transport) as connection:
        yield connection.channel()


@pytest.fixture
def app(redis_port: int) -> Celery:
    """A plain Celery app: a producer that knows nothing of ours."""
    made = Celery(broker=f"redis://127.0.0.1:{redis_port}/3", set_as_current=False)
    made.conf.update(
        task_ignore_result=True,
        task_default_queue="scrape",
        # The name of kombu's own is ours in this process.
        broker_transport="kombu.transport.redis:Transport",
    )
    return made


def _waiting(broker: Redis) -> tuple[int, int, int]:
    """Count what is on the list, what waits, and what is held."""
    lists = ("scrape", "scrape\x06\x163", "scrape\x06\x166", "scrape\x06\x169")
    ready = sum(int(broker.llen(name)) for name in lists)
    return ready, int(broker.hlen("unacked_waiting")), int(broker.hlen("unacked"))


def test_a_job_with_a_countdown_is_put_away_and_comes_when_it_is_due(
    app: Celery, channel: Any, broker: Redis, eventually: Callable[..., None]
) -> None:
    app.send_task("a", (1,), countdown=1.5, priority=9)
    sent = time.time()

    assert channel.basic_get("scrape") is None
    assert _waiting(broker) == (0, 1, 0)

    found: list[Any] = []

    def due() -> bool:
        message = channel.basic_get("scrape")
        found.extend([message] if message else [])
        return bool(found)

    eventually(due, within=20)
    assert time.time() - sent > 1.4
    assert _waiting(broker) == (0, 0, 1)
    found[0].ack()
    assert broker.dbsize() == len(list(broker.scan_iter("_kombu*")))


def _taken(broker: Redis) -> dict[str, Any]:
    text: Any = broker.rpop("scrape")
    message: dict[str, Any] = json.loads(text)
    return message


@pytest.mark.parametrize(
    ("offset", "zone"),
    [(-7200, UTC), (-1, timezone(timedelta(hours=5, minutes=30)))],
)
def test_a_time_that_is_past_is_not_waited_for(
    app: Celery, channel: Any, offset: int, zone: timezone
) -> None:
    app.send_task("a", eta=datetime.now(zone) + timedelta(seconds=offset))

    assert channel.basic_get("scrape") is not None


@pytest.mark.parametrize("hours", [-11, 0, 5.5])
def test_times_of_all_zones_are_read(
    app: Celery, channel: Any, broker: Redis, hours: float
) -> None:
    zone = timezone(timedelta(hours=hours))
    at = datetime(2104, 2, 29, 23, 59, 58, 250_000, tzinfo=zone)
    app.send_task("a", eta=at, task_id="one")

    assert channel.basic_get("scrape") is None
    assert broker.zscore("unacked_due:scrape", "one") == pytest.approx(at.timestamp())


def test_a_job_that_expires_while_it_waits_comes_when_it_has_expired(
    app: Celery, channel: Any, broker: Redis
) -> None:
    now = datetime.now(UTC)
    expires = now + timedelta(seconds=60)
    app.send_task("a", task_id="one", eta=now + timedelta(hours=1), expires=expires)

    assert channel.basic_get("scrape") is None

    due = broker.zscore("unacked_due:scrape", "one")
    assert due == pytest.approx(expires.timestamp(), abs=0.01)


@pytest.mark.parametrize("eta", ["soon", "2099-13-01T00:00:00Z", "2099-01-01T00:00:00"])
def test_a_time_that_nobody_can_read_is_left_to_celery(
    app: Celery, channel: Any, broker: Redis, eta: str
) -> None:
    app.send_task("a")
    message = _taken(broker)
    message["headers"]["eta"] = eta
    broker.lpush("scrape", json.dumps(message))

    assert channel.basic_get("scrape") is not None


def test_what_we_send_ourselves_goes_where_it_waits_at_once(
    app: Celery, channel: Any, broker: Redis
) -> None:
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    app.send_task("a")
    message = _taken(broker)
    message["headers"].update(eta=at, id="one")

    channel._put("scrape", message)

    assert _waiting(broker) == (0, 1, 0)
    assert channel.basic_get("scrape") is None
    assert _waiting(broker) == (0, 1, 0)


def test_two_jobs_of_one_id_both_wait_and_one_that_was_sent_twice_waits_once(
    app: Celery, channel: Any, broker: Redis
) -> None:
    app.send_task("a", task_id="one", countdown=60)
    broker.lpush("scrape", broker.lindex("scrape", 0) or b"")
    app.send_task("b", task_id="one", countdown=60)

    assert channel.basic_get("scrape") is None

    assert _waiting(broker) == (0, 2, 0)


def test_many_of_one_id_that_come_at_once_all_wait(
    app: Celery, channel: Any, broker: Redis
) -> None:
    for number in range(4):
        app.send_task(f"task-{number}", task_id="one", countdown=60)

    assert channel.basic_get("scrape") is None

    assert _waiting(broker) == (0, 4, 0)
    kept = broker.hvals("unacked_waiting")
    assert {json.loads(text)["headers"]["task"][-1] for text in kept} == set("0123")


def test_half_a_surrogate_pair_is_taken_as_python_takes_it(
    app: Celery, channel: Any, broker: Redis
) -> None:
    for wait in (0, 60):
        app.send_task("a", kwargs={"form": "\ud800"}, countdown=wait)

    taken = channel.basic_get("scrape")

    assert taken.headers["kwargsrepr"] == "{'form': '\ud800'}"
    assert channel.basic_get("scrape") is None
    assert _waiting(broker) == (0, 1, 1)
    assert broker.hlen("unacked_parked") == 0


def test_many_that_wait_do_not_keep_one_that_is_ready(
    app: Celery, channel: Any, broker: Redis
) -> None:
    for _ in range(450):
        app.send_task("a", countdown=600)
    app.send_task("ready")

    message = channel.basic_get("scrape")

    assert message.headers["task"] == "ready"
    assert _waiting(broker) == (0, 450, 1)


def test_those_that_are_due_and_those_that_are_new_take_turns(
    app: Celery, channel: Any, broker: Redis
) -> None:
    for number in range(60):
        app.send_task("later", task_id=f"l{number}", countdown=600)
    assert channel.basic_get("scrape") is None
    for number in range(60):
        broker.zadd("unacked_due:scrape", {f"l{number}": number})
        app.send_task("new")

    taken = [channel.basic_get("scrape") for _ in range(60)]

    names = [message.headers["task"] for message in taken]
    # Evens; fewer than five of sixty is less likely than one in 10^11.
    assert min(names.count("later"), names.count("new")) >= 5
    late = [one.headers["id"] for one in taken if one.headers["task"] == "later"]
    assert late == [f"l{number}" for number in range(len(late))]


def test_what_waits_is_purged_with_its_queue(
    app: Celery, channel: Any, broker: Redis
) -> None:
    app.send_task("a", countdown=600)
    app.send_task("a")
    message = channel.basic_get("scrape")
    message.ack()

    assert channel.queue_purge("scrape") == 1
    assert _waiting(broker) == (0, 0, 0)


def test_the_stock_transport_goes_on_with_what_ours_has_put_away(
    app: Celery, channel: Any, broker: Redis, redis_port: int
) -> None:
    app.send_task("a", task_id="due", countdown=600, priority=9)
    app.send_task("a", task_id="later", countdown=600)
    assert channel.basic_get("scrape") is None
    broker.zadd("unacked_due:scrape", {"due": 1})
    url = f"redis://127.0.0.1:{redis_port}/3"

    with Connection(url, transport=StockTransport) as connection:
        moved = forward(connection.channel(), "scrape")

    assert moved == 1
    assert broker.hkeys("unacked_waiting") == [b"later"]
    message = json.loads(broker.lindex("scrape\x06\x169", 0) or b"")
    assert message["headers"]["id"] == "due"
