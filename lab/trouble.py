"""Proxies that fail, one way a port, over HTTP and SOCKS5: ``python -m lab.trouble``.

It prints ``ready`` and its ports by the name of the failure, as JSON. Anybody may use
them: what fails is what follows the log-in, except on the port ``auth``.
"""

import asyncio
import contextlib
import json
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable

from lab.proxy import socks_target

_SOCKS = 5
_PASSWORD = 2
_OK = b"HTTP/1.1 200 Connection established\r\n\r\n"
_SOCKS_OK = b"\x05\x00\x00\x01" + bytes(6)
#: Enough for any TLS handshake and the headers of an answer: what is cut is a body.
_CUT = 40_000
_SQUID = "Server: squid/6.1\r\nX-Squid-Error: ERR_CONNECT_FAIL 111\r\n"
_TINY = "Server: tinyproxy/1.11\r\n"
_LOGIN = 'Proxy-Authenticate: Basic realm="lab"\r\n'

#: What an HTTP proxy answers, and the SOCKS5 reply that means about the same.
_ANSWERS: dict[str, tuple[int, str, int]] = {
    "status-403": (403, "", 2),
    "status-500": (500, _TINY, 1),
    "status-502": (502, "Via: 1.1 lab\r\n", 4),
    "status-503": (503, _SQUID, 3),
    "status-504": (504, "Via: 1.1 lab\r\n", 6),
    "status-407": (407, _LOGIN, 5),
    "status-401": (401, _TINY, 7),
    "reply-8": (502, "Via: 1.1 lab\r\n", 8),
    "acl": (403, "Server: squid\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\n", 2),
}


class Faulty:
    """One port; *mode* is how it fails."""

    def __init__(self, mode: str) -> None:
        self.mode = mode

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._client, "127.0.0.1", 0)

    async def _client(self, reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, ValueError):
            first = await reader.readexactly(1)
            if self.mode == "reset":
                reset(writer)
                return
            if self.mode == "hang":
                await asyncio.sleep(600)
            if self.mode == "close":
                await _rest(reader)
            elif self.mode == "garbage":
                await _rest(reader)
                writer.write(b"\x00\x01\x02 this is no proxy\r\n\r\n")
            elif first[0] == _SOCKS:
                await self._socks(reader, writer)
            else:
                await self._http(first, reader, writer)
        with contextlib.suppress(OSError):
            await writer.drain()
            writer.close()

    async def _socks(self, reader: StreamReader, writer: StreamWriter) -> None:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        secret = _PASSWORD in methods
        writer.write(b"\x05\x02" if secret else b"\x05\x00")
        if secret:
            await reader.readexactly(1)
            for _ in range(2):
                await reader.readexactly((await reader.readexactly(1))[0])
            writer.write(b"\x01\x01" if self.mode == "auth" else b"\x01\x00")
        elif self.mode == "auth":
            return
        host, port = await socks_target(reader)
        if self.mode in _ANSWERS:
            reply = _ANSWERS[self.mode][2]
            writer.write(bytes((5, reply, 0, 1)) + bytes(6))
            return
        await self._tunnel(_SOCKS_OK, (host, port), reader, writer)

    async def _http(
        self, first: bytes, reader: StreamReader, writer: StreamWriter
    ) -> None:
        head = first + await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode("latin-1").split(" ", 2)
        mode = "status-407" if self.mode == "auth" else self.mode
        if mode in _ANSWERS:
            status, headers, _ = _ANSWERS[mode]
            page = f"<title>ERROR</title>{status}"
            writer.write(
                f"HTTP/1.1 {status} Lab\r\n{headers}Content-Type: text/html\r\n"
                f"Content-Length: {len(page)}\r\n\r\n{page}".encode()
            )
            return
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            await self._tunnel(_OK, (host.strip("[]"), int(port)), reader, writer)
            return
        place, _, path = target.partition("://")[2].partition("/")
        host, _, port = place.partition(":")
        begin = f"{method} /{path} HTTP/1.1\r\n".encode()
        rest = head.partition(b"\r\n")[2]
        await self._tunnel(b"", (host, int(port or 80)), reader, writer, begin + rest)

    async def _tunnel(
        self,
        word: bytes,
        place: tuple[str, int],
        reader: StreamReader,
        writer: StreamWriter,
        sent: bytes = b"",
    ) -> None:
        writer.write(word)
        await writer.drain()
        if self.mode == "mute":
            await asyncio.sleep(600)
        if self.mode == "tunnel-close":
            return
        if self.mode == "tunnel-reset":
            # Once the client is on its way, so that it is no answer of ours that ends.
            if not sent:
                await reader.read(1)
            reset(writer)
            return
        from_site, to_site = await asyncio.open_connection(*place)
        to_site.write(sent)
        end = reset if self.mode == "cut-reset" else StreamWriter.close
        try:
            await asyncio.gather(_pipe(reader, to_site), _cut(from_site, writer, end))
        finally:
            to_site.close()


async def _rest(reader: StreamReader) -> None:
    """Take what came with the first byte: to close with it unread would reset."""
    await reader.read(65_536)


def reset(writer: StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _pipe(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


async def _cut(
    reader: StreamReader, writer: StreamWriter, end: Callable[[StreamWriter], object]
) -> None:
    left = _CUT
    while left and (data := await reader.read(min(left, 8192))):
        writer.write(data)
        await writer.drain()
        left -= len(data)
    end(writer)


MODES = (
    *("reset", "hang", "close", "garbage", "auth", "mute"),
    *("tunnel-close", "tunnel-reset", "cut", "cut-reset"),
    *_ANSWERS,
)


async def serve_all(starts: dict[str, Callable[[], Awaitable[asyncio.Server]]]) -> None:
    """Start a server a name, say their ports, and serve until the process ends."""
    servers = {name: await start() for name, start in starts.items()}
    ports = {name: one.sockets[0].getsockname()[1] for name, one in servers.items()}
    print("ready", json.dumps(ports), flush=True)
    await asyncio.gather(*(one.serve_forever() for one in servers.values()))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve_all({mode: Faulty(mode).serve for mode in MODES}))
