"""Our transport on a real Redis: what it takes, records, tells and gives back."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection, Consumer, Producer, Queue
from kombu.transport.redis import Transport as StockTransport
from redis import Redis

from tasks.transport import Channel, Transport

QUEUES = [Queue(name, routing_key=name) for name in ("scrape", "upkeep")]
Connect = Callable[..., Connection]


@pytest.fixture
def broker(redis_port: int) -> Iterator[Redis]:
    with Redis(port=redis_port, db=3) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def connect(broker: Redis, redis_port: int) -> Iterator[Connect]:
    """Connect to the broker with our transport, or with kombu's."""
    made: list[Connection] = []

    def one(*, stock: bool = False, **options: Any) -> Connection:
        url = f"redis://127.0.0.1:{redis_port}/3"
        # By its class: its name is ours by now.
        transport = StockTransport if stock else Transport
        made.append(Connection(url, transport=transport, transport_options=options))
        return made[-1]

    yield one
    for connection in made:
        connection.release()


def _publish(connection: Connection, *numbers: int, queue: str = "scrape") -> None:
    producer = Producer(connection.channel())
    for number in numbers:
        producer.publish({"n": number}, routing_key=queue, priority=number % 10)


def _drain(connection: Connection, wanted: int, *, ack: bool = True) -> list[Any]:
    """Take *wanted* messages, or as many as there are."""
    got: list[Any] = []

    def take(body: dict[str, Any], message: Any) -> None:
        got.append(message)
        if ack:
            message.ack()

    consumer = Consumer(
        connection.channel(), QUEUES, callbacks=[take], auto_declare=False
    )
    consumer.consume()
    while len(got) < wanted:
        try:
            connection.drain_events(timeout=1)
        except (TimeoutError, socket.timeout):  # noqa: UP041 - kombu's own
            break
    return got


def _numbers(messages: list[Any]) -> list[int]:
    return [message.payload["n"] for message in messages]


@pytest.mark.parametrize("prefix", ["", "shop:"])
def test_messages_of_plain_producers_are_taken_by_priority_and_acknowledged(
    connect: Connect, broker: Redis, prefix: str
) -> None:
    options = {"global_keyprefix": prefix} if prefix else {}
    _publish(connect(stock=True, **options), 9, 0, 3)
    _publish(connect(stock=True, **options), 6, queue="upkeep")

    taken = _drain(connect(**options), 4)

    assert _numbers(taken) == [0, 3, 6, 9]
    assert [key for key in broker.scan_iter() if b"binding" not in bytes(key)] == []


@pytest.mark.parametrize("prefix", ["", "shop:"])
def test_what_is_taken_is_recorded_as_a_stock_worker_would(
    connect: Connect, broker: Redis, prefix: str
) -> None:
    options = {"global_keyprefix": prefix} if prefix else {}
    _publish(connect(stock=True, **options), 3)

    [message] = _drain(connect(**options), 1, ack=False)

    tag = message.delivery_tag
    record = json.loads(broker.hget(f"{prefix}unacked", tag) or b"null")
    assert record[1:] == ["", "scrape"]
    assert record[0]["properties"]["delivery_tag"] == tag
    assert broker.zscore(f"{prefix}unacked_index", tag)
    stock = connect(stock=True, **options).channel()
    stock.qos.restore_by_tag(tag)  # type: ignore[attr-defined] # its types know it not
    assert broker.llen(f"{prefix}scrape\x06\x163") == 1
    assert broker.hlen(f"{prefix}unacked") == 0


def test_a_message_that_was_sent_twice_is_taken_once(
    connect: Connect, broker: Redis
) -> None:
    _publish(connect(stock=True), 0)
    broker.lpush("scrape", broker.lindex("scrape", 0) or b"")

    assert len(_drain(connect(), 2, ack=False)) == 1


def test_messages_that_share_a_tag_are_all_taken(
    connect: Connect, broker: Redis
) -> None:
    _publish(connect(stock=True), 0)
    one = json.loads(broker.lindex("scrape", 0) or b"")
    other = {**one, "headers": {"other": True}}
    broker.lpush("scrape", json.dumps(other))

    taken = _drain(connect(), 2)

    assert len({message.delivery_tag for message in taken}) == 2
    assert broker.hlen("unacked") == 0


def test_what_nobody_can_read_is_laid_aside_and_the_rest_is_taken(
    connect: Connect, broker: Redis
) -> None:
    bad = [b"\xff\x00", b"{", b"[]", b'{"properties": {}}', b'{"properties": 1}']
    broker.lpush("scrape", *bad)
    _publish(connect(stock=True), 0)
    connection = connect()

    assert len(_drain(connection, 1)) == 1
    channel: Any = connection.channel()
    parked = list(channel.parked(10))
    assert sorted(one.text for one in parked) == sorted(bad)
    assert {one.queue for one in parked} == {"scrape"}
    channel.unpark([one.key for one in parked])
    assert list(channel.parked(10)) == []


def test_a_channel_that_closes_gives_its_messages_back_to_be_taken_next(
    connect: Connect, broker: Redis
) -> None:
    _publish(connect(stock=True), 0, 10)
    connection = connect()
    _drain(connection, 2, ack=False)

    connection.release()

    assert broker.hlen("unacked") == 0
    again = _drain(connect(), 2)
    assert sorted(_numbers(again)) == [0, 10]
    assert all(message.headers["redelivered"] for message in again)


def test_a_rejected_message_goes_to_the_end_or_away(
    connect: Connect, broker: Redis
) -> None:
    _publish(connect(stock=True), 0, 10)
    [first, second] = _drain(connect(), 2, ack=False)

    first.reject(requeue=True)
    second.reject()

    assert _numbers(_drain(connect(), 2)) == [first.payload["n"]]
    assert broker.hlen("unacked") == 0


def test_only_who_is_not_heard_of_loses_its_messages(
    connect: Connect, broker: Redis, eventually: Callable[..., None]
) -> None:
    _publish(connect(stock=True), 0, 10)
    options = {"visibility_timeout": 1, "sweep_gap": 60}
    [dead, alive] = _drain(connect(**options), 2, ack=False)
    other: Any = connect(**options).channel()

    def swept() -> bool:
        other.renew([alive.delivery_tag])
        other.qos.restore_visible(num=10)
        return bool(broker.llen("scrape"))

    eventually(swept, within=20)
    assert broker.hkeys("unacked") == [alive.delivery_tag.encode()]
    [again] = _drain(connect(), 1)
    assert (again.delivery_tag, again.headers["limpet_losses"]) == (
        dead.delivery_tag,
        1,
    )


def test_what_a_stock_worker_gave_back_is_not_taken_from_who_has_it_now(
    connect: Connect, broker: Redis, eventually: Callable[..., None]
) -> None:
    _publish(connect(stock=True), 0)
    options = {"visibility_timeout": 1, "sweep_gap": 60}
    [dead] = _drain(connect(**options), 1, ack=False)
    stock: Any = connect(stock=True).channel()
    stock.qos.restore_by_tag(dead.delivery_tag)
    [held] = _drain(connect(stock=True), 1, ack=False)
    other: Any = connect(**options).channel()

    def swept() -> bool:
        other.qos.restore_visible(num=10)
        return not broker.exists("unacked_ours")

    eventually(swept, within=20)
    assert broker.llen("scrape") == 0
    assert broker.hkeys("unacked") == [held.delivery_tag.encode()]


def test_after_an_outage_nothing_is_taken_away_before_workers_could_be_heard(
    connect: Connect, broker: Redis
) -> None:
    _publish(connect(stock=True), 0)
    options = {"visibility_timeout": 5, "sweep_gap": 60}
    [held] = _drain(connect(**options), 1, ack=False)
    broker.zadd("unacked_index", {held.delivery_tag: 1})
    channel: Any = connect(**options).channel()

    channel.qos.restore_visible(num=10)

    assert broker.hlen("unacked") == 1


def test_a_full_redis_can_still_be_emptied(connect: Connect, broker: Redis) -> None:
    _publish(connect(stock=True), 0, 10)
    connection = connect()
    connection.channel()
    broker.config_set("maxmemory", "1mb")
    try:
        taken = _drain(connection, 2)
    finally:
        broker.config_set("maxmemory", "0")

    assert len(taken) == 2
    assert broker.hlen("unacked") == 0


def test_acks_that_the_broker_did_not_hear_are_told_by_the_next_connection(
    connect: Connect, broker: Redis
) -> None:
    _publish(connect(stock=True), 0, 10)
    connection = connect()
    [one, _] = _drain(connection, 2, ack=False)
    # A channel whose connection was lost, as Celery leaves it.
    channel = one.channel
    channel.qos._delivered.clear()
    connection.release()
    assert broker.hlen("unacked") == 2

    one.ack()
    assert broker.hlen("unacked") == 2
    _drain(connect(), 1)

    assert one.delivery_tag.encode() not in broker.hkeys("unacked")


def test_who_asks_without_waiting_loses_nothing_either(
    connect: Connect, broker: Redis
) -> None:
    _publish(connect(stock=True), 0, 10)
    channel: Channel = connect().channel()  # type: ignore[assignment] # it is ours

    message = channel.basic_get("scrape")
    assert broker.hlen("unacked") == 1
    message.ack()
    assert channel.basic_get("scrape", no_ack=True) is not None
    assert channel.basic_get("scrape") is None
    assert broker.hlen("unacked") == 0


def test_acks_of_a_lost_connection_that_is_cleared_away_are_kept(
    connect: Connect, broker: Redis
) -> None:
    _publish(connect(stock=True), 0)
    connection = connect()
    [one] = _drain(connection, 1, ack=False)
    channel = one.channel
    channel.qos._delivered.clear()
    # As Celery does when a connection is lost: its transport knows of it no more.
    connection.collect()
    channel._disconnect_pools()
    channel.outbox.acks.append(one.delivery_tag)

    channel.flush()

    assert list(channel.outbox.acks) == [one.delivery_tag]
    _drain(connect(), 1)
    assert broker.hlen("unacked") == 0
