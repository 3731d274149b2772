"""A server that breaks every rule: ``python -m lab.rude --port 0``.

As a site it has a page for each way to hold or to break a client; as a proxy (HTTP or
SOCKS5) it never gets done with its answer. It prints ``ready PORT`` when it serves.
"""

import argparse
import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter

_OK = b"HTTP/1.1 200 OK\r\n"
_FOUND = b"HTTP/1.1 302 Found\r\n"
_EMPTY = b"Content-Length: 0\r\n\r\n"
_SOCKS = b"\x05"
#: SOCKS5: no password, connected, from a name of 255 bytes that follows.
_SOCKS_NAME = b"\x05\x00\x05\x00\x00\x03\xff"
#: Seconds between two bytes of an answer that never ends.
_PAUSE = 0.1

#: What is sent at once. What follows is up to the page's name: ``drip-…`` goes on a
#: byte at a time, ``flood-…`` as fast as it can, ``late-…`` begins after half a second
#: and then says no more; the others end.
_PAGES = {
    "/early": b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
    "/switched": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "/drip-head": _OK + b"X-Slow: ",
    "/drip-body": _OK + b"Content-Length: 100000\r\n\r\n",
    "/drip-redirect": _FOUND + b"Location: /\r\nContent-Length: 100000\r\n\r\n",
    "/late-head": _OK + b"Content-Length: 9\r\n\r\n",
    "/flood-redirect": _FOUND + b"Location: /\r\nContent-Length: 300000000\r\n\r\n",
    "/redirect-utf8": _FOUND + "Location: /naïf\r\n".encode() + _EMPTY,
    "/redirect-latin1": _FOUND + "Location: /naïf\r\n".encode("latin1") + _EMPTY,
    "/redirect-port": _FOUND + b"Location: http://a.example:0/\r\n" + _EMPTY,
    "/redirect-bracket": _FOUND + b"Location: http://[::1/x\r\n" + _EMPTY,
    "/redirect-escaped-slash": _FOUND + b"Location: http://a%2fb.example/\r\n" + _EMPTY,
    "/redirect-no-label": _FOUND + b"Location: http://a..b/\r\n" + _EMPTY,
    "/redirect-long-label": (
        _FOUND + b"Location: http://" + b"a" * 64 + b".example/\r\n" + _EMPTY
    ),
    "/redirect-twice": _FOUND + b"Location: /there\r\n" * 2 + _EMPTY,
    "/redirect-apart": _FOUND + b"Location: /a\r\nLocation: /b\r\n" + _EMPTY,
    "/redirect-backslash": _FOUND + b"Location: \\a\\b?c\\d#e\\f\r\n" + _EMPTY,
    "/redirect-inside": _FOUND + b"Location: \\\\169.254.169.254\\x\r\n" + _EMPTY,
    "/redirect-long": _FOUND + b"Location: /" + b"x" * 9_000 + b"\r\n" + _EMPTY,
    "/redirect-grows": _FOUND + b"Location: /" + b"\xff" * 3_000 + b"\r\n" + _EMPTY,
    "/long-headers": _OK + (b"Link: <" + b"x" * 5_000 + b">\r\n") * 2 + _EMPTY,
    "/bad-status": b"HTTP/1.1 abc\r\n\r\n",
    "/bad-length": _OK + b"Content-Length: 100\r\n\r\nshort",
    "/bad-chunk": _OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nno chunk\r\n",
}


async def serve(port: int) -> None:
    server = await asyncio.start_server(_client, "127.0.0.1", port)
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


async def _client(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
        first = await reader.readexactly(1)
        if first == _SOCKS:
            await _drip(writer, _SOCKS_NAME)
            return
        head = first + await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode("latin1").split(" ", 2)
        # A proxy is asked for a whole URL, a site for a path.
        path = "/" + target.rpartition("://")[2].partition("/")[2]
        await (_drip(writer, _OK) if method == "CONNECT" else answer(path, writer))
    writer.close()


async def answer(path: str, writer: StreamWriter) -> None:
    """Serve the page at *path*, in its own way."""
    name = path.partition("?")[0]
    begin = _PAGES.get(name)
    if begin is None:
        text = f"you asked for {path}".encode("latin1")
        writer.write(_OK + f"Content-Length: {len(text)}\r\n\r\n".encode() + text)
    elif name.startswith("/drip"):
        await _drip(writer, begin)
    elif name == "/early":
        writer.write(begin)
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.write(_OK + b"Content-Length: 8\r\n\r\nthe page")
    elif name.startswith("/flood"):
        await _flood(writer, begin)
    elif name.startswith("/late"):
        await asyncio.sleep(0.5)
        writer.write(begin)
        await asyncio.sleep(60)
    else:
        writer.write(begin)
    await writer.drain()


async def _drip(writer: StreamWriter, begin: bytes) -> None:
    writer.write(begin)
    for _ in range(600):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(_PAUSE)


async def _flood(writer: StreamWriter, begin: bytes) -> None:
    writer.write(begin)
    for _ in range(300):
        writer.write(bytes(1_000_000))
        await writer.drain()


def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
