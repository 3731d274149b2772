"""A forward proxy, HTTP and SOCKS5 on one port: ``python -m lab.proxy --help``.

It asks for a user name and password, and leaves from an address of its own (any
127.0.0.0/8 address can be bound on Linux), so that a site sees which proxy was used.
It prints ``ready PORT`` when it serves.
"""

import argparse
import asyncio
import base64
import contextlib
import socket
import struct
from asyncio import StreamReader, StreamWriter
from dataclasses import dataclass

_SOCKS = 5
_PASSWORD = 2
_NO_BODY = frozenset({204, 304})
#: Headers of one hop; the next one gets its own.
_HOP = ("proxy-authorization", "proxy-connection", "connection")

Upstream = tuple[StreamReader, StreamWriter]


@dataclass(frozen=True, slots=True)
class LabProxy:
    """The proxy's configuration; `serve` runs it."""

    user: str
    password: str
    exit_address: str
    #: Whether every place is this machine: sites of any name, without a name server.
    here: bool = False
    #: Where it listens.
    host: str = "127.0.0.1"

    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self._client, self.host, port)
        print("ready", server.sockets[0].getsockname()[1], flush=True)
        async with server:
            await server.serve_forever()

    async def _client(self, reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(
            OSError, EOFError, ValueError, asyncio.LimitOverrunError
        ):
            first = await reader.readexactly(1)
            if first[0] == _SOCKS:
                await self._socks(reader, writer)
            else:
                await self._http(first, reader, writer)
        writer.close()

    async def _open(self, host: str, port: int) -> Upstream:
        return await asyncio.open_connection(
            "127.0.0.1" if self.here else host,
            port,
            local_addr=(self.exit_address, 0),
        )

    # --- SOCKS5 (RFC 1928, passwords RFC 1929) ---------------------------------

    async def _socks(self, reader: StreamReader, writer: StreamWriter) -> None:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        if _PASSWORD not in methods:
            writer.write(b"\x05\xff")
            return
        writer.write(b"\x05\x02")
        await reader.readexactly(1)
        user = await reader.readexactly((await reader.readexactly(1))[0])
        password = await reader.readexactly((await reader.readexactly(1))[0])
        if (user.decode(), password.decode()) != (self.user, self.password):
            writer.write(b"\x01\x01")
            return
        writer.write(b"\x01\x00")
        host, port = await socks_target(reader)
        try:
            upstream = await self._open(host, port)
        except OSError:
            writer.write(b"\x05\x05\x00\x01" + bytes(6))
            return
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await _tunnel((reader, writer), upstream)

    # --- HTTP ------------------------------------------------------------------

    async def _http(
        self, first: bytes, reader: StreamReader, writer: StreamWriter
    ) -> None:
        upstreams: dict[tuple[str, int], Upstream] = {}
        try:
            while True:
                head = first + await reader.readuntil(b"\r\n\r\n")
                first = b""
                method, target, headers = _parse(head)
                if not self._may_pass(headers):
                    _answer(writer, 407, 'Proxy-Authenticate: Basic realm="lab"\r\n')
                elif method == "CONNECT":
                    host, _, port = target.rpartition(":")
                    return await self._connect(
                        host.strip("[]"), int(port), reader, writer
                    )
                else:
                    await self._forward(
                        method, target, headers, (reader, writer), upstreams
                    )
                await writer.drain()
        finally:
            for _, upstream in upstreams.values():
                upstream.close()

    def _may_pass(self, headers: dict[str, str]) -> bool:
        kind, _, token = headers.get("proxy-authorization", "").partition(" ")
        if kind.lower() != "basic":
            return False
        return base64.b64decode(token).decode() == f"{self.user}:{self.password}"

    async def _connect(
        self, host: str, port: int, reader: StreamReader, writer: StreamWriter
    ) -> None:
        try:
            upstream = await self._open(host, port)
        except OSError:
            _answer(writer, 502)
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _tunnel((reader, writer), upstream)

    async def _forward(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        client: Upstream,
        upstreams: dict[tuple[str, int], Upstream],
    ) -> None:
        reader, writer = client
        place, _, path = target.partition("://")[2].partition("/")
        host, _, port = place.partition(":")
        key = (host, int(port or 80))
        try:
            if key not in upstreams or upstreams[key][0].at_eof():
                upstreams[key] = await self._open(*key)
        except OSError:
            _answer(writer, 502)
            return
        upstream = upstreams[key]
        lines = [f"{k}: {v}" for k, v in headers.items() if k not in _HOP]
        request = "\r\n".join([f"{method} /{path} HTTP/1.1", *lines, "\r\n"])
        upstream[1].write(request.encode("latin1"))
        upstream[1].write(
            await reader.readexactly(int(headers.get("content-length", 0)))
        )
        if not await _relay_answer(method, upstream[0], writer):
            upstreams.pop(key)[1].close()


def _parse(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *lines = head.decode("latin1").split("\r\n")
    method, target, _version = first.split(" ", 2)
    pairs = (line.split(":", 1) for line in lines if line)
    return method, target, {name.lower(): value.strip() for name, value in pairs}


def _answer(writer: StreamWriter, status: int, headers: str = "") -> None:
    text = (
        f"HTTP/1.1 {status} Lab\r\nVia: 1.1 lab\r\nContent-Length: 0\r\n{headers}\r\n"
    )
    writer.write(text.encode())


async def socks_target(reader: StreamReader) -> tuple[str, int]:
    _version, _command, _reserved, kind = await reader.readexactly(4)
    if kind == 1:
        host = socket.inet_ntop(socket.AF_INET, await reader.readexactly(4))
    elif kind == _SOCKS - 1:
        host = socket.inet_ntop(socket.AF_INET6, await reader.readexactly(16))
    else:
        size = (await reader.readexactly(1))[0]
        host = (await reader.readexactly(size)).decode()
    return host, struct.unpack("!H", await reader.readexactly(2))[0]


async def _relay_answer(
    method: str, upstream: StreamReader, writer: StreamWriter
) -> bool:
    """Send one answer back; return whether the upstream connection can go on."""
    version_and_status, *lines = await _relay_head(upstream, writer)
    headers = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in lines)}
    goes_on = headers.get("connection", "").lower() != "close"
    if method == "HEAD" or int(version_and_status.split(" ")[1]) in _NO_BODY:
        return goes_on
    if "content-length" in headers:
        left = int(headers["content-length"])
        while left and (data := await upstream.read(min(left, 65536))):
            writer.write(data)
            await writer.drain()
            left -= len(data)
        if left:
            raise EOFError  # as it came: cut off
        return goes_on
    if headers.get("transfer-encoding", "").lower() == "chunked":
        await _relay_chunks(upstream, writer)
        return goes_on
    while data := await upstream.read(65536):
        writer.write(data)
        await writer.drain()
    raise EOFError  # only the end of the connection ends such an answer


async def _relay_head(upstream: StreamReader, writer: StreamWriter) -> list[str]:
    """Send the head of an answer back, and those before it that are none yet."""
    while True:
        head = await upstream.readuntil(b"\r\n\r\n")
        writer.write(head)
        lines = head.decode("latin1").split("\r\n")
        if not lines[0].partition(" ")[2].startswith("1"):
            return lines
        await writer.drain()


async def _relay_chunks(upstream: StreamReader, writer: StreamWriter) -> None:
    size = -1
    while size:
        line = await upstream.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        writer.write(line + await upstream.readexactly(size + 2))
        await writer.drain()


async def _tunnel(one: Upstream, other: Upstream) -> None:
    await asyncio.gather(_pipe(one[0], other[1]), _pipe(other[0], one[1]))
    other[1].close()


async def _pipe(reader: StreamReader, writer: StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        # What breaks on one side breaks on the other.
        writer.close()


def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser(description="A forward proxy for tests.")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--exit-address", required=True, metavar="127.0.7.N")
    parser.add_argument("--here", action="store_true", help="all names lead here")
    asked = parser.parse_args()
    proxy = LabProxy(asked.user, asked.password, asked.exit_address, here=asked.here)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(proxy.serve(asked.port))


if __name__ == "__main__":
    main()
