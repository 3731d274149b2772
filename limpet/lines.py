"""Commands to Redis over connections that stay with their callers.

redis-py lends and takes back a connection for each command, looks whether it is still
there, and measures all that: half of the CPU that a call costs, and a page costs three
calls. Here a connection of the client's pool is kept for the next command of any
thread. All else is the client's own: retries, health checks, errors.
"""

import os
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from hiredis import pack_command
from redis import Redis
from redis.exceptions import RedisError, ResponseError

Arg = str | int | float | bytes
Command = Sequence[Arg]

#: Seconds after which a connection is looked at before it is used again: a server that
#: was restarted has closed it.
_FRESH: Final = 1.0

#: The attribute of a pool of redis-py that has its idle connections of ours, each with
#: the time of its last use, by the process that they belong to. For redis-py they are
#: in use. Connections know their pool: anywhere else they would keep it for ever.
_IDLE: Final = "limpet_idle"


def send(client: Redis, command: Command) -> Any:
    """Send one command; return its reply, raise its error."""
    [reply] = send_all(client, [command])
    if isinstance(reply, ResponseError):
        raise reply
    return reply


def send_all(client: Redis, commands: Sequence[Command]) -> list[Any]:
    """Send commands at once; return their replies, errors of commands among them.

    Raises redis-py's errors when Redis cannot be reached. Commands may have been sent
    more than once then, and after a lost reply: they have to be made for that.
    """
    pool = getattr(client, "connection_pool", None)
    if pool is None:  # a Cluster's client sends each command where it belongs
        return _redis_py(client, commands)
    idle = _idle(pool)
    connection = _take(pool, idle)
    try:
        packed = pack(commands)
        replies: list[Any] = connection.retry.call_with_retry(
            lambda: talk(connection, packed, len(commands)),
            lambda _error: _hang_up(pool, connection),
        )
    except BaseException:
        # A time limit may end this between a command and its reply. And whoever was not
        # reached is looked for anew, by the pool.
        connection.disconnect()
        pool.release(connection)
        raise
    # The client's other commands need some of those that its pool may have.
    if len(idle) < pool.max_connections // 2:
        idle.append((time.monotonic(), connection))
    else:
        pool.release(connection)
    return replies


def pack(commands: Sequence[Command]) -> bytes:
    """Return commands as they are sent."""
    # hiredis says that it takes one argument.
    pieces = [pack_command(tuple(command)) for command in commands]  # type: ignore[arg-type] # see above
    return b"".join(pieces)


def talk(connection: Any, packed: bytes, count: int) -> list[Any]:
    """Send packed commands over a connection; return *count* replies and errors."""
    connection.send_packed_command((packed,))
    replies = []
    for _ in range(count):
        try:
            replies.append(connection.read_response())
        except ResponseError as error:
            replies.append(error)
    return replies


def _hang_up(pool: Any, connection: Any) -> None:
    connection.disconnect()
    # By itself it would dial a master that is none any more.
    if ask := getattr(pool, "get_master_address", None):
        with suppress(RedisError):
            connection.host, connection.port = ask()


def _idle(pool: Any) -> deque[tuple[float, Any]]:
    process = os.getpid()
    # One step each: of two threads that make one at a time, both get the same.
    held: dict[int, deque[tuple[float, Any]]] = vars(pool).setdefault(_IDLE, {})
    if (idle := held.get(process)) is None:
        idle = held.setdefault(process, deque())
        for other in held.keys() - {process}:  # a fork has no right to these
            held.pop(other, None)
    return idle


def _take(pool: Any, idle: deque[tuple[float, Any]]) -> Any:
    try:
        used, connection = idle.pop()
    except IndexError:
        return pool.get_connection()
    if time.monotonic() - used > _FRESH:
        # It lends out only such as answer.
        pool.release(connection)
        return pool.get_connection()
    return connection


def _redis_py(client: Redis, commands: Sequence[Command]) -> list[Any]:
    if len(commands) == 1:
        try:
            return [client.execute_command(*commands[0])]  # type: ignore[no-untyped-call]
        except ResponseError as error:
            return [error]
    with client.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]
        return pipe.execute(raise_on_error=False)
