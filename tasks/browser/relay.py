"""What a browser context goes out through: a listener of its own on loopback.

It puts the session's proxy behind what Chromium can use, sees each request before it
leaves, whatever page, frame, worker or socket it is of, and counts its bytes.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from limpet.errors import AddressRefused, LimpetError
from tasks.blame import made_by_proxy
from tasks.browser.neighbours import is_ours
from tasks.browser.requests import Head, pass_body
from tasks.browser.upstream import HEAD_MAX, Link, Upstream, status_of

_CHUNK: Final = 65_536
#: Hosts of which failures are remembered: a page may ask for any number.
_MOST: Final = 200
#: What a tunnel gets that leads nowhere; why is in `Traffic`.
_REFUSED: Final = (
    b"HTTP/1.1 502 Not reached\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


@dataclass(slots=True)
class Traffic:
    """What one page did: bytes that came and went, and what failed, by host.

    *faults* has the last failure of a host that has not been reached since.
    """

    received: int = 0
    sent: int = 0
    faults: dict[str, LimpetError] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def note(self, host: str, error: LimpetError) -> None:
        if isinstance(error, AddressRefused) and len(self.refused) < _MOST:
            self.refused[host] += 1
        if host in self.faults or len(self.faults) < _MOST:
            self.faults[host] = error


class Relay:
    """The way out of one context. All of it is for one event loop."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._most = 0
        #: Called once when a page has brought more than it may.
        self._full: Callable[[], None] = lambda: None
        self.traffic = Traffic()
        self.port = 0

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", 0, limit=HEAD_MAX, backlog=256
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def begin(self, most: int, full: Callable[[], None]) -> Traffic:
        """Count anew; call *full* when more than *most* bytes have come."""
        self.traffic, self._most, self._full = Traffic(), most, full
        return self.traffic

    async def close(self) -> None:
        """Stop listening, and break all connections."""
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        client = _Client(self, self._upstream, Link(reader, writer))
        try:
            # It logs in to the proxy: other users of the machine must not use it.
            if is_ours(writer.get_extra_info("peername")[1], self.port):
                await client.serve()
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass  # one side has gone, or said what is no HTTP: so goes the other
        except asyncio.CancelledError:
            pass  # asyncio would log it; the relay is being closed
        finally:
            self._tasks.discard(task)
            client.close()

    async def pump(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Pass on what a site sends, to its end."""
        while data := await reader.read(_CHUNK):
            self.came(len(data))
            writer.write(data)
            await writer.drain()

    def came(self, count: int) -> None:
        """Count what came; raises EOFError beyond what may."""
        self.traffic.received += count
        if self.traffic.received > self._most:
            self._full()
            raise EOFError

    def went(self, count: int) -> None:
        self.traffic.sent += count


class _Client:
    """One connection of the browser, and the one that it leads to."""

    def __init__(self, relay: Relay, upstream: Upstream, client: Link) -> None:
        self._relay, self._upstream, self._client = relay, upstream, client
        self._place = ("", 0)
        self._link: Link | None = None
        self._back: asyncio.Task[None] | None = None

    def close(self) -> None:
        if self._back:
            self._back.cancel()
        for link in (self._client, self._link):
            if link:
                link.writer.close()

    async def serve(self) -> None:
        """Pass requests on until one of the sides has had enough."""
        while True:
            head = Head.read(await self._client.reader.readuntil(b"\r\n\r\n"))
            if head.method == "CONNECT":
                await self._tunnel(head)
                return
            if not await self._request(head):
                return

    async def _tunnel(self, head: Head) -> None:
        place = head.host, head.port
        self._link = await self._led(*place, lambda: self._upstream.reach(*place))
        if self._link is None:
            self._client.writer.write(_REFUSED)
            return
        self._client.writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        ways = {
            asyncio.ensure_future(self._pass_up(self._link)),
            asyncio.ensure_future(
                self._relay.pump(self._link.reader, self._client.writer)
            ),
        }
        try:
            # A browser never ends one half of a connection alone.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in ways:
                one.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_up(self, link: Link) -> None:
        while data := await self._client.reader.read(_CHUNK):
            self._relay.went(len(data))
            link.writer.write(data)
            await link.writer.drain()

    async def _request(self, head: Head) -> bool:
        """Send an http:// request on; return whether another one may follow."""
        place = (head.host, head.port)
        if self._link and place != self._place:
            return False
        if self._link is None:
            self._link = await self._led(*place, lambda: self._out(*place))
            if self._link is None:
                return False
            self._place = place
            self._back = asyncio.ensure_future(self._answer(self._link, head.host))
        login = self._upstream.login if self._upstream.forwards else None
        sent = head.sent(login)
        self._relay.went(len(sent))
        self._link.writer.write(sent)
        count = await pass_body(head, self._client.reader, self._link.writer)
        self._relay.went(count)
        return True

    async def _answer(self, link: Link, host: str) -> None:
        """Pass answers back; the first one shows whether the proxy is in order."""
        try:
            if self._upstream.forwards and not await self._first(link, host):
                return
            await self._relay.pump(link.reader, self._client.writer)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # closed below: the browser says what that means
        finally:
            self._client.writer.close()

    async def _first(self, link: Link, host: str) -> bool:
        head = await link.reader.readuntil(b"\r\n\r\n")
        self._relay.came(len(head))
        fault = made_by_proxy(status_of(head), Head.fields(head))
        if fault:
            self._relay.traffic.note(host, fault)
            return False
        self._client.writer.write(head)
        return True

    async def _out(self, host: str, port: int) -> Link:
        if self._upstream.forwards:
            return await self._upstream.dial()
        return await self._upstream.reach(host, port)

    async def _led(
        self, host: str, port: int, reach: Callable[[], Awaitable[Link]]
    ) -> Link | None:
        """Connect, if that may be; what comes of it is noted."""
        traffic = self._relay.traffic
        try:
            self._upstream.judge(host, port)
            link = await reach()
        except LimpetError as error:
            traffic.note(host, error)
            return None
        traffic.faults.pop(host, None)
        return link
