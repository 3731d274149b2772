"""The same behind a real Sentinel, which promotes a replica when the master dies."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Consumer, Producer, Queue
from redis import Redis
from redis.exceptions import RedisError

from limpet.embedded import server_binary
from tasks.transport import SentinelTransport
from tests.watched import Watched, copied

Eventually = Callable[..., None]


@pytest.fixture
def watched(
    tmp_path: Path, free_port: Callable[[], int], eventually: Eventually
) -> Iterator[Watched]:
    if not shutil.which(server_binary()):
        missing = "there is no redis-server: apt-get install redis-server"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    with ExitStack() as running:
        made = Watched(tmp_path, [free_port() for _ in range(3)], running)
        eventually(made.knows_a_replica, within=40)
        yield made


@pytest.mark.timeout(180)
def test_messages_are_taken_from_whoever_is_the_master(
    watched: Watched, eventually: Eventually
) -> None:
    taken: list[int] = []

    def connect() -> Connection:
        return Connection(
            f"sentinel://127.0.0.1:{watched.port}/0",
            transport=SentinelTransport,
            transport_options={"master_name": "shop", "socket_timeout": 2},
        )

    def publish(number: int) -> None:
        with connect() as connection, connection.channel() as channel:
            Producer(channel).publish({"n": number}, routing_key="scrape")

    def note(body: Any, message: Any) -> None:
        taken.append(body["n"])
        message.ack()

    def take(wanted: int) -> None:
        deadline = time.monotonic() + 40
        while len(taken) < wanted and time.monotonic() < deadline:
            with suppress(OSError, RedisError), connect() as connection:
                consumer = Consumer(connection.channel(), [Queue("scrape")])
                consumer.register_callback(note)
                consumer.consume()
                while len(taken) < wanted:
                    connection.drain_events(timeout=2)

    publish(1)
    take(1)
    publish(2)
    eventually(lambda: copied(watched.master_port, watched.replica_port))
    watched.master.kill()
    eventually(watched.promoted, within=60)
    take(2)

    assert taken == [1, 2]
    with Redis(port=watched.replica_port) as replica:
        assert replica.hlen("unacked") == 0
