"""Names looked up without end in sight, and the fetch not held up by that.

Nothing can interrupt the C library's look-up, so it is waited for in another thread.
One name is looked up once at a time, however many ask for it; the names of proxies,
which all fetches need, have threads of their own.
"""

import socket
import threading
import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import cache
from typing import Any, Final

from limpet.errors import WorkerExhausted

#: Names of proxies looked up at a time. A vendor has few of them.
_PROXIES: Final = 8
#: Names of sites looked up at a time; each may hang for half a minute.
_SITES: Final = 32
#: Seconds that a proxy's addresses are good for: a name server that is away for a
#: moment is not felt, and a vendor that moves an address is followed soon.
_GOOD_FOR: Final = 30.0
#: Names that are remembered.
_MOST: Final = 4096

#: What `socket.getaddrinfo` returns.
Found = list[Any]
_Place = tuple[str, int]


class Resolver:
    """Looks up *threads* names at a time, and keeps what it found for *good_for* s."""

    def __init__(self, kind: str, *, threads: int, good_for: float = 0) -> None:
        self._good_for = good_for
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"{kind} names")
        self._asked: dict[_Place, Future[Found]] = {}
        self._known: dict[_Place, tuple[float, Found]] = {}
        self._lock = threading.Lock()

    def find(self, host: str, port: int, *, within: float) -> Found:
        """Return the addresses of *host*, as `socket.getaddrinfo` does.

        Raises:
            socket.gaierror: it has none.
            TimeoutError: nobody said so within so many seconds.
            WorkerExhausted: other names took all the time that there was.
        """
        if literal := _literal(host, port):
            return literal
        place = (host, port)
        with self._lock:
            until, found = self._known.get(place, (0.0, []))
            if time.monotonic() < until:
                return found
            if (asked := self._asked.get(place)) is None:
                asked = self._threads.submit(self._ask, place)
                self._asked[place] = asked
        try:
            return asked.result(within)
        except CancelledError:
            raise _taken() from None
        except TimeoutError:
            if asked.cancel():
                self._forget_asking(place)
                raise _taken() from None
            raise

    def forget(self, host: str, port: int) -> None:
        """Look *host* up anew: nobody answers where it was."""
        with self._lock:
            self._known.pop((host, port), None)

    def _ask(self, place: _Place) -> Found:
        try:
            found = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)
        finally:
            self._forget_asking(place)
        if self._good_for:
            self._keep(place, found)
        return found

    def _keep(self, place: _Place, found: Found) -> None:
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[place] = (time.monotonic() + self._good_for, found)

    def _forget_asking(self, place: _Place) -> None:
        with self._lock:
            self._asked.pop(place, None)


@cache
def proxies() -> Resolver:
    """Return what looks up the names of proxies in this process."""
    return Resolver("proxy", threads=_PROXIES, good_for=_GOOD_FOR)


@cache
def sites() -> Resolver:
    """Return what looks up the names of sites; it keeps none: each is judged anew."""
    return Resolver("site", threads=_SITES)


def _literal(host: str, port: int) -> Found:
    kind, numeric = socket.SOCK_STREAM, socket.AI_NUMERICHOST
    try:
        return socket.getaddrinfo(host, port, type=kind, flags=numeric)
    except socket.gaierror:
        return []


def _taken() -> WorkerExhausted:
    return WorkerExhausted("threads for looking up names")
