"""A site that costs next to nothing: 2 kB after 50 ms; ``python -m bench.jobs_site``.

It prints ``ready PORT``. ``/stats`` says how many connections and requests there were.
"""

import asyncio
import json
from typing import Final

LATENCY: Final = 0.05
_ITEM: Final = b"<li class='item'><a href='/i/%d'>item %d</a><b>%d.99</b></li>"
_LIST: Final = b"".join(_ITEM % (n, n, n) for n in range(32))
PAGE: Final = b"<html><head><title>Shop</title></head><ul>%s</ul></html>" % _LIST
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
    b"Content-Length: %d\r\n\r\n"
)


class Site(asyncio.Protocol):
    """One connection; answers in order, each request on its own time."""

    connections = 0
    requests = 0

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        Site.connections += 1

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while b"\r\n\r\n" in self._rest:
            head, self._rest = self._rest.split(b"\r\n\r\n", 1)
            if head.startswith(b"GET /stats"):
                counts = {"connections": Site.connections, "requests": Site.requests}
                self._answer(json.dumps(counts).encode())
            else:
                Site.requests += 1
                asyncio.get_running_loop().call_later(LATENCY, self._answer, PAGE)

    def _answer(self, body: bytes) -> None:
        self._transport.write(_HEAD % len(body) + body)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Site, "127.0.0.1", 0)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
