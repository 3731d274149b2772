"""A request is sent twice in one case alone."""

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from limpet.errors import FetchError
from proxies import Proxy
from sessions import Lease
from tasks.fetching import Request
from tasks.http import Fetcher

LeaseOf = Callable[[Proxy], Lease]


@dataclass
class Moody:
    """A site that answers a connection's first request, and is moody after that."""

    second: bytes = b""
    fresh: int = 1000
    served: list[str] = field(default_factory=list)
    connections: int = 0

    def run(self, server: socket.socket) -> None:
        while True:
            try:
                taken, _ = server.accept()
            except OSError:
                return
            self.connections += 1
            with taken:
                self._serve(taken)

    def _serve(self, taken: socket.socket) -> None:
        for n in range(2):
            head = taken.recv(65_536)
            if not head:
                return
            self.served.append(head.split(b" ", 1)[0].decode())
            if n or self.connections > self.fresh:
                taken.sendall(self.second)
                return
            taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.fixture
def moody() -> Iterator[Callable[..., tuple[Moody, str]]]:
    servers, threads = [], []

    def start(**how: Any) -> tuple[Moody, str]:
        server = socket.create_server(("127.0.0.1", 0))
        site = Moody(**how)
        thread = threading.Thread(target=site.run, args=(server,))
        thread.start()
        servers.append(server)
        threads.append(thread)
        return site, f"http://127.0.0.1:{server.getsockname()[1]}/"

    yield start
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_a_kept_connection_that_was_closed_is_replaced_in_silence(
    fetcher: Fetcher,
    lease_of: LeaseOf,
    moody: Callable[..., tuple[Moody, str]],
    method: str,
) -> None:
    site, url = moody()
    lease = lease_of(Proxy("direct", "", 0))
    fetcher.fetch(lease, Request(url))

    page = fetcher.fetch(lease, Request(url, method=method, timeout=20))
    fetcher.drop(lease)

    assert page.status == 200
    assert not page.reused
    assert (site.served, site.connections) == (["GET", method, method], 2)


@pytest.mark.parametrize(
    ("how", "method", "served"),
    [
        ({}, "POST", ["GET", "POST"]),
        ({}, "PATCH", ["GET", "PATCH"]),
        ({"second": b"HTTP/1.1 2"}, "GET", ["GET", "GET"]),
        ({"second": b"no http\r\n"}, "GET", ["GET", "GET"]),
        ({"fresh": 1}, "GET", ["GET", "GET", "GET"]),
    ],
    ids=["post", "patch", "begun", "garbage", "again"],
)
def test_nothing_else_is_sent_twice(
    fetcher: Fetcher,
    lease_of: LeaseOf,
    moody: Callable[..., tuple[Moody, str]],
    how: dict[str, Any],
    method: str,
    served: list[str],
) -> None:
    site, url = moody(**how)
    lease = lease_of(Proxy("direct", "", 0))
    fetcher.fetch(lease, Request(url))

    with pytest.raises(FetchError, match=r"broken|protocol"):
        fetcher.fetch(lease, Request(url, method=method, timeout=20))
    fetcher.drop(lease)

    assert site.served == served
