"""Names looked up and sockets connected, within the deadline of the fetch."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final

from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
)

from tasks.deadline import Stage, current
from tasks.guard import Guard

#: A dead proxy is known by its dial, long before a slow page is.
DIAL_TIMEOUT: Final = 10.0
#: Names looked up at a time; a resolver that hangs must not take every thread.
_RESOLVERS: Final = 8


@cache
def _resolver() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="names")


def resolve(host: str, port: int) -> list[Any]:
    # Nothing can interrupt the C library's look-up: so it is waited for elsewhere.
    kind = socket.SOCK_STREAM
    found = _resolver().submit(socket.getaddrinfo, host, port, type=kind)
    try:
        return found.result(min(DIAL_TIMEOUT, current.get().left))
    finally:
        found.cancel()


def dial(
    made: HTTPConnection, host: str, port: int, guard: Guard | None
) -> socket.socket:
    """Connect to *host*: the proxy or, for a direct pool, the site.

    A *guard* judges what the name leads to, and just that is connected to: a second
    look-up could find another address.
    """
    deadline = current.get()
    deadline.stage, deadline.reused = Stage.DIAL, False
    end = time.monotonic() + min(DIAL_TIMEOUT, deadline.left)
    try:
        failure: OSError = OSError("no address")
        found = resolve(host, port)
        for family, kind, protocol, _, address in (
            guard.choose(host, found) if guard else found
        ):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(max(0.001, end - time.monotonic()))
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
                continue
            return _ready(sock)
        raise failure
    except socket.gaierror as error:
        raise NameResolutionError(host, made, error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(made, "no connection in time") from error
    except OSError as error:
        raise NewConnectionError(made, type(error).__name__) from error


def _ready(sock: socket.socket) -> socket.socket:
    deadline = current.get()
    deadline.watch(sock)
    # Who is late is shut down by the deadline; this is only for its thread's death.
    sock.settimeout(deadline.left + 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
