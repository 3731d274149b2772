"""The clients that one process keeps for its sessions.

A client (connections and cookies) belongs to the lease that fetches with it until
`keep` or `drop`: a holder that has lost its lease cannot touch what the next one uses.
"""

import resource
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from requests.cookies import RequestsCookieJar

from sessions import Lease
from tasks import cookies

#: Sessions whose connections one process keeps open, if it may have that many files.
_KEPT: Final = 512
#: Connections that a client keeps: to so many sites, one to each.
SITES: Final = 4


class Client(Protocol):
    """What a fetcher holds for one session."""

    cookies: RequestsCookieJar

    def close(self) -> None: ...


C = TypeVar("C", bound=Client)


@dataclass(frozen=True, slots=True)
class _Idle(Generic[C]):
    """A client that nobody uses; it fits a lease of the same binding."""

    binding: tuple[int, int, str]
    version: int
    client: C


class Clients(Generic[C]):
    """One client per session and binding; those used longest ago make room."""

    def __init__(self, make: Callable[[Lease], C]) -> None:
        self._make = make
        self._most = _affordable()
        self._used: dict[tuple[str, str], C] = {}
        self._kept: OrderedDict[tuple[str, str], _Idle[C]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, lease: Lease) -> C:
        """Return the lease's client, with its session's cookies."""
        stale = None
        with self._lock:
            if client := self._used.get(_holder(lease)):
                return client
            kept = self._kept.pop((lease.pool, lease.session), None)
            if kept and kept.binding != _binding(lease):
                stale, kept = kept, None
            client = kept.client if kept else self._make(lease)
            self._used[_holder(lease)] = client
        if stale:
            stale.client.close()
        if kept is None or kept.version != lease.state.version:
            client.cookies = cookies.to_jar(lease.state.cookies)
        return client

    def cookies(self, lease: Lease) -> list[dict[str, Any]]:
        """Return the session's cookies: as they were, if the site changed none."""
        held = cookies.to_json(self.of(lease).cookies)
        before = cookies.to_json(cookies.to_jar(lease.state.cookies))
        return lease.state.cookies if held == before else held

    def keep(self, lease: Lease, version: int) -> None:
        """Keep the client for the session's next lease.

        *version* is what its state got; below 0 the session is gone.
        """
        if version < 0:
            self.drop(lease)
            return
        name = (lease.pool, lease.session)
        with self._lock:
            client = self._used.pop(_holder(lease), None)
            if client is None:
                return
            stale = [self._kept.pop(name, None)]
            self._kept[name] = _Idle(_binding(lease), version, client)
            if len(self._kept) > self._most:
                stale.append(self._kept.popitem(last=False)[1])
        for one in filter(None, stale):
            one.client.close()

    def drop(self, lease: Lease) -> None:
        """Close the lease's client: what happened on it is not known."""
        with self._lock:
            client = self._used.pop(_holder(lease), None)
        if client:
            client.close()

    def shed(self) -> None:
        """Close those that nobody uses: the worker is out of sockets."""
        with self._lock:
            idle = [one.client for one in self._kept.values()]
            self._kept.clear()
        for client in idle:
            client.close()

    @property
    def held(self) -> int:
        """How many there are, used and kept."""
        with self._lock:
            return len(self._used) + len(self._kept)


def _affordable() -> int:
    """Return how many clients may be kept: half of all files is for the rest."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    unlimited = files == resource.RLIM_INFINITY
    return _KEPT if unlimited else min(_KEPT, files // 2 // SITES)


def _holder(lease: Lease) -> tuple[str, str]:
    return (lease.pool, lease.token)


def _binding(lease: Lease) -> tuple[int, int, str]:
    return (lease.incarnation, lease.generation, lease.proxy.url)
