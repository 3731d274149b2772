"""Connections that are kept: shared by threads, gone with their client, never stale."""

import gc
import os
import socket
import sys
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import FrameType
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from limpet import lines
from limpet.connection import connect


@pytest.fixture
def client_of(redis_port: int) -> Callable[..., Redis]:
    def make(**options: Any) -> Redis:
        return Redis(port=redis_port, db=1, **options)

    return make


def test_a_reply_comes_back_and_an_error_is_raised(
    client_of: Callable[..., Redis],
) -> None:
    client = client_of()

    assert lines.send(client, ["ECHO", "ü"]) == "ü".encode()
    assert lines.send_all(client, [["ECHO", 1], ["ECHO", b"\xff"]]) == [b"1", b"\xff"]
    with pytest.raises(ResponseError, match="unknown command"):
        lines.send(client, ["NOSUCH"])
    # What follows an error has its own reply.
    assert lines.send(client, ["ECHO", "next"]) == b"next"


def test_what_is_interrupted_before_its_reply_leaves_none_behind(
    client_of: Callable[..., Redis],
) -> None:
    client = client_of()
    lines.send(client, ["ECHO", "warm"])

    def interrupt(frame: FrameType, event: str, _arg: object) -> Any:
        """Raise as a time limit does: between any two lines, here after the first."""
        if frame.f_code is not lines.talk.__code__:
            return None
        if event == "line" and "replies" in frame.f_locals:
            raise InterruptedError
        return interrupt

    sys.settrace(interrupt)
    try:
        with pytest.raises(InterruptedError):
            lines.send(client, ["ECHO", "first"])
    finally:
        sys.settrace(None)

    assert lines.send(client, ["ECHO", "second"]) == b"second"


def test_one_connection_is_enough_for_one_caller(
    client_of: Callable[..., Redis],
) -> None:
    client = client_of()

    ids = {lines.send(client, ["CLIENT", "ID"]) for _ in range(20)}

    assert len(ids) == 1


def test_threads_never_share_a_connection_at_a_time(
    client_of: Callable[..., Redis],
) -> None:
    client = client_of()

    with ThreadPoolExecutor(20) as threads:
        said = list(
            threads.map(lambda n: lines.send(client, ["ECHO", n]), range(2_000))
        )

    assert said == [str(n).encode() for n in range(2_000)]


def test_other_commands_of_the_client_find_connections(
    client_of: Callable[..., Redis],
) -> None:
    client = client_of(max_connections=4)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: lines.send(client, ["PING"]), range(300)))

    pipe: Any = client.pipeline()
    pipe.watch("key")  # keeps a connection
    assert client.ping()
    pipe.reset()


def test_threads_that_are_first_at_the_same_time_lose_no_connection(
    client_of: Callable[..., Redis],
) -> None:
    start = Barrier(8)

    def use(client: Redis) -> Any:
        start.wait(30)
        return lines.send(client, ["CLIENT", "ID"])

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            for _ in range(40):
                client: Any = client_of(client_name="first", max_connections=16)
                list(threads.map(use, [client] * 8))

                kept = lines._idle(client.connection_pool)
                assert len(kept) == client.connection_pool._created_connections
                client.close()
    finally:
        sys.setswitchinterval(before)


def test_as_many_threads_as_a_worker_may_have_find_connections(
    redis_port: int,
) -> None:
    client = connect(f"redis://127.0.0.1:{redis_port}/1")
    most = 200
    start = Barrier(most)

    def use(_number: int) -> None:
        start.wait(30)
        for _ in range(5):
            lines.send(client, ["EVAL", "for n = 1, 20000 do end", 0])
            client.ping()

    with ThreadPoolExecutor(most) as threads:
        list(threads.map(use, range(most)))


def test_a_connection_that_the_server_has_closed_is_made_anew(
    client_of: Callable[..., Redis],
) -> None:
    client, other = client_of(), client_of()
    number = lines.send(client, ["CLIENT", "ID"])

    other.client_kill_filter(_id=number)

    assert lines.send(client, ["CLIENT", "ID"]) != number


def test_a_client_that_is_gone_leaves_nothing(client_of: Callable[..., Redis]) -> None:
    client = client_of()
    lines.send(client, ["PING"])
    pool = weakref.ref(client.connection_pool)

    del client
    gc.collect()

    assert pool() is None


def test_a_fork_does_not_use_the_connections_of_its_parent(
    client_of: Callable[..., Redis],
) -> None:
    client = client_of()
    parent = lines.send(client, ["CLIENT", "ID"])
    here, there = socket.socketpair()
    if (child := os.fork()) == 0:
        there.sendall(str(lines.send(client, ["CLIENT", "ID"])).encode())
        os._exit(0)

    os.waitpid(child, 0)

    assert int(here.recv(20)) != parent
    assert lines.send(client, ["CLIENT", "ID"]) == parent
    here.close()
    there.close()
