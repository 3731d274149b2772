"""Sockets connected, within the deadline of the fetch."""

import errno
import socket
import time
from typing import Any, Final

from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
)

from tasks.deadline import Stage, current
from tasks.guard import Guard
from tasks.resolver import Resolver, proxies, sites

#: A dead proxy is known by its dial, long before a slow page is.
DIAL_TIMEOUT: Final = 10.0


def look_up(host: str, port: int, *, of: Resolver) -> list[Any]:
    """Return the addresses of *host*, within the dial's time; see `Resolver.find`."""
    try:
        return of.find(host, port, within=min(DIAL_TIMEOUT, current.get().left))
    except socket.gaierror:
        # A name server that cannot be asked looks like a name that is not there.
        socket.socket().close()
        raise


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
    names = sites() if guard else proxies()
    try:
        failure: OSError = OSError("no address")
        found = look_up(host, port, of=names)
        for family, kind, protocol, _, address in (
            guard.choose(host, found) if guard else found
        ):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(max(0.001, end - time.monotonic()))
                sock.connect(address)
                _ready(sock)
            except OSError as error:
                sock.close()
                failure = _told(error, family)
                continue
            return sock
        names.forget(host, port)
        raise failure
    except socket.gaierror as error:
        raise NameResolutionError(host, made, error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(made, "no connection in time") from error
    except OSError as error:
        raise NewConnectionError(made, type(error).__name__) from error


def _told(error: OSError, family: int) -> OSError:
    """Return *error*; over IPv6 no address to come from is no way to get there."""
    if family == socket.AF_INET6 and error.errno == errno.EADDRNOTAVAIL:
        return OSError(errno.ENETUNREACH, "no IPv6")
    return error


def _ready(sock: socket.socket) -> None:
    deadline = current.get()
    deadline.watch(sock)
    # Who is late is shut down by the deadline; this is only for its thread's death.
    sock.settimeout(deadline.left + 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
