"""A deadline that holds, whatever the other side does.

The timeouts of urllib3 are for one read each: a site that sends a byte a second is
never late. So one thread a process watches the clock and shuts a late connection down,
which ends any wait on it, in TLS or in a handshake too.
"""

import contextlib
import math
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """How far a request has come: what it waits for."""

    START = "before the dial"
    NAME = "as the site's name was looked up"
    DIAL = "at the dial"
    PROXY_TLS = "at the proxy's TLS handshake"
    TUNNEL = "at the proxy's CONNECT"
    SOCKS = "at the proxy's SOCKS handshake"
    TLS = "at the site's TLS handshake"
    SEND = "as the request was sent"
    WAIT = "before the answer"
    HEAD = "within the headers"
    BODY = "within the body"


class Deadline:
    """The end of one fetch, and how far it has come.

    *reused* says that the request went out on a connection that was kept.
    """

    def __init__(self, seconds: float) -> None:
        self.start = time.monotonic()
        self.at = self.start + seconds
        self.stage = Stage.START
        self.reused = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.start

    @property
    def left(self) -> float:
        """Seconds that are left; above 0, so that it can be a socket's timeout."""
        return max(0.001, self.at - time.monotonic())

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.at

    def watch(self, sock: socket.socket) -> None:
        """Shut *sock* down when the time is over; what was watched before is not."""
        # TLS takes a socket's descriptor away from it, and one that was closed may be
        # another socket's by now: a duplicate stays ours, on the same connection.
        mine = socket.socket(fileno=os.dup(sock.fileno()))
        with self._lock:
            before, self._socket = self._socket, mine
            if self.over:
                self._shut()
        if before:
            before.close()

    def ring(self) -> None:
        """End the fetch."""
        with self._lock:
            self._shut()

    def close(self) -> None:
        """Let go of the connection, which goes on."""
        with self._lock:
            held, self._socket = self._socket, None
        if held:
            held.close()

    def _shut(self) -> None:
        if self._socket:
            # Not connected yet, or no longer: nobody reads from it.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


#: The deadline of what this thread fetches.
current: Final[ContextVar[Deadline]] = ContextVar("deadline")


class Watchdog:
    """Rings deadlines in time, all from one thread."""

    def __init__(self) -> None:
        # At most one a thread of the worker: few enough to look at them all.
        self._armed: set[Deadline] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        #: When the thread looks again: to wake it for each fetch would cost a switch.
        self._wakes = math.inf

    @contextlib.contextmanager
    def deadline(self, seconds: float) -> Iterator[Deadline]:
        """Hold what is done within to *seconds*."""
        made = Deadline(seconds)
        before = current.set(made)
        with self._changed:
            self._armed.add(made)
            self._start()
            if made.at < self._wakes:
                self._wakes = made.at
                self._changed.notify()
        try:
            yield made
        finally:
            with self._changed:
                self._armed.discard(made)
            made.close()
            current.reset(before)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="deadlines", daemon=True
            )
            self._thread.start()

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                late = [one for one in self._armed if one.at <= now]
                self._armed.difference_update(late)
                for one in late:
                    one.ring()
                self._wakes = min((one.at for one in self._armed), default=math.inf)
                nothing = self._wakes == math.inf
                self._changed.wait(None if nothing else self._wakes - now)
