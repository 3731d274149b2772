"""A site that attacks its visitors, in plain and in bad TLS: ``python -m lab.hostile``.

It has every page of `lab.rude`, and bombs, floods, hangs, resets and lies besides. It
prints ``ready`` and its ports as JSON: ``http``, ``https`` (good, under the CA that it
writes to ``--ca FILE``), and ``self-signed``, ``expired``, ``wrong-host``, ``mute-tls``
and ``no-tls``.
"""

import argparse
import asyncio
import contextlib
import datetime as dt
import gzip
import os
import ssl
import zlib
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from functools import cache, partial
from pathlib import Path

import brotli
import trustme

from lab.rude import answer
from lab.trouble import reset, serve_all

_OK = b"HTTP/1.1 200 OK\r\n"
_FOUND = b"HTTP/1.1 302 Found\r\n"
#: What a bomb grows to.
BOMB = 300_000_000
_BLOCK = bytes(1_000_000)
_CHUNK = 16_384


@cache
def _gzip(layers: int = 1) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(_BLOCK) for _ in range(BOMB // len(_BLOCK)))
    packed += packer.flush()
    for _ in range(layers - 1):
        again = zlib.compressobj(9, zlib.DEFLATED, 31)
        packed = again.compress(packed) + again.flush()
    return packed


@cache
def _deflate() -> bytes:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(_BLOCK) for _ in range(BOMB // len(_BLOCK)))
    return packed + packer.flush()


@cache
def _brotli() -> bytes:
    packer = brotli.Compressor(quality=4)
    packed = b"".join(packer.process(_BLOCK) for _ in range(BOMB // len(_BLOCK)))
    return bytes(packed + packer.finish())


_BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "/bomb-gzip": ("gzip", _gzip),
    "/bomb-gzip-twice": ("gzip, gzip", partial(_gzip, 2)),
    "/bomb-deflate": ("deflate", _deflate),
    "/bomb-br": ("br", _brotli),
}
#: What does not get smaller.
_PACKED = gzip.compress(os.urandom(5000))
_CUT = {
    "gzip": _PACKED[:3000],
    "deflate": zlib.compress(_PACKED)[:3000],
    "br": brotli.compress(_PACKED)[:3000],
}
_PLAIN = {
    **{
        # The end of the connection is the end of the body, or so it seems.
        f"/cut-{coding}": _OK + f"Content-Encoding: {coding}\r\n\r\n".encode() + begin
        for coding, begin in _CUT.items()
    },
    "/gzip-and-more": (
        _OK
        + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (len(_PACKED) + 9)
    )
    + _PACKED
    + b"\0 and more",
    "/gzip-of-nothing": _OK + b"Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
    "/no-gzip": _OK + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
    "/no-br": _OK
    + b"Content-Encoding: br\r\nContent-Length: 4\r\n\r\n\xff\xff\xff\xff",
    "/too-long": _OK + b"Content-Length: 5\r\n\r\nhello, and more than I said",
    "/two-lengths": _OK + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\nhello w",
    "/minus-length": _OK + b"Content-Length: -5\r\n\r\nhello",
    "/huge-length": _OK + b"Content-Length: 99999999999999999999\r\n\r\nhello",
    "/huge-chunk": _OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffff\r\nhello",
    "/no-http": b"SSH-2.0-OpenSSH_9.2\r\n",
    "/nothing": b"",
    "/half-head": _OK + b"Content-Ty",
    "/no-colon": _OK + b"this is no header\r\nContent-Length: 2\r\n\r\nok",
    "/round": _FOUND + b"Location: /round\r\nContent-Length: 0\r\n\r\n",
    "/big-round": (
        _FOUND + b"Location: /big-round\r\nContent-Length: 300000000\r\n\r\n"
    )
    + bytes(500_000),
    "/inside": (
        _FOUND
        + b"Location: http://169.254.169.254/meta-data\r\nContent-Length: 0\r\n\r\n"
    ),
}


async def _client(reader: StreamReader, writer: StreamWriter) -> None:
    # The chunks that a bomb is cut off in are lost, with the connection.
    with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
        head = await reader.readuntil(b"\r\n\r\n")
        target = head.decode("latin-1").split(" ", 2)[1]
        path = "/" + target.rpartition("://")[2].partition("/")[2]
        await _page(path.partition("?")[0], writer)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def _page(name: str, writer: StreamWriter) -> None:
    if name in _BOMBS:
        coding, make = _BOMBS[name]
        await _send(
            writer, await asyncio.to_thread(make), f"Content-Encoding: {coding}\r\n"
        )
    elif name in _PLAIN:
        writer.write(_PLAIN[name])
    elif act := _ACTS.get(name):
        await act(writer)
    else:
        await answer(name, writer)


async def _send(writer: StreamWriter, body: bytes, headers: str = "") -> None:
    writer.write(_OK + f"{headers}Content-Length: {len(body)}\r\n\r\n".encode())
    for start in range(0, len(body), _CHUNK):
        writer.write(body[start : start + _CHUNK])
        await writer.drain()


async def _for_ever(writer: StreamWriter, begin: bytes, again: bytes) -> None:
    writer.write(begin)
    while not writer.is_closing():
        writer.write(again)
        await writer.drain()
        # Draining what is taken at once lets nobody else run, not even the end.
        await asyncio.sleep(0)


async def _hang(writer: StreamWriter, begin: bytes) -> None:
    writer.write(begin)
    await writer.drain()
    await asyncio.sleep(600)


async def _reset(writer: StreamWriter, begin: bytes) -> None:
    writer.write(begin)
    await writer.drain()
    reset(writer)


_BODY = _OK + b"Content-Length: 100000\r\n\r\n"
_ACTS: dict[str, Callable[[StreamWriter], Awaitable[None]]] = {
    "/long-line": partial(_for_ever, begin=_OK + b"X-Long: ", again=b"x" * 65_536),
    "/many-headers": partial(_for_ever, begin=_OK, again=b"X-More: more\r\n" * 1000),
    "/long-status": partial(_for_ever, begin=b"HTTP/1.1 200 ", again=b"x" * 65_536),
    "/continues": partial(
        _for_ever, begin=b"", again=b"HTTP/1.1 100 Continue\r\n\r\n" * 1000
    ),
    "/long": partial(
        _for_ever,
        begin=_OK + b"Content-Length: 50000000\r\n\r\n",
        again=bytes(65_536),
    ),
    "/flood": partial(_for_ever, begin=_OK + b"\r\n", again=bytes(65_536)),
    "/chunks": partial(
        _for_ever,
        begin=_OK + b"Transfer-Encoding: chunked\r\n\r\n",
        again=b"1\r\nx\r\n" * 1000,
    ),
    "/empty-blocks": partial(
        _for_ever,
        begin=_OK + b"Content-Encoding: gzip\r\n\r\n",
        again=zlib.compress(b"", 9, 31) * 1000,
    ),
    "/hang": partial(_hang, begin=b""),
    "/hang-status": partial(_hang, begin=b"HTTP/1.1 20"),
    "/hang-head": partial(_hang, begin=_OK + b"X-Slow: "),
    "/hang-body": partial(_hang, begin=_BODY + b"x"),
    "/reset": partial(_reset, begin=b""),
    "/reset-head": partial(_reset, begin=_OK + b"X-Slow: "),
    "/reset-body": partial(_reset, begin=_BODY + b"x"),
}


def _contexts(ca_file: Path) -> dict[str, ssl.SSLContext]:
    good, stranger = trustme.CA(), trustme.CA()
    good.cert_pem.write_to_path(str(ca_file))
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    long_ago = past - dt.timedelta(days=2)
    certificates = {
        "https": good.issue_cert("127.0.0.1", "localhost"),
        "self-signed": stranger.issue_cert("127.0.0.1"),
        "expired": good.issue_cert("127.0.0.1", not_before=long_ago, not_after=past),
        "wrong-host": good.issue_cert("elsewhere.example"),
    }
    contexts = {}
    for name, certificate in certificates.items():
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(made)
        contexts[name] = made
    return contexts


async def _mute(_reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(OSError):
        await _hang(writer, b"")


async def _plain(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(OSError):
        await reader.read(65_536)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
    writer.close()


async def _listen(
    serve: Callable[[StreamReader, StreamWriter], Awaitable[None]] = _client,
    context: ssl.SSLContext | None = None,
) -> asyncio.Server:
    return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)


def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ca", type=Path, required=True, metavar="FILE")
    contexts = _contexts(parser.parse_args().ca)
    starts: dict[str, Callable[[], Awaitable[asyncio.Server]]] = {
        "http": _listen,
        "mute-tls": partial(_listen, _mute),
        "no-tls": partial(_listen, _plain),
        **{
            name: partial(_listen, context=context)
            for name, context in contexts.items()
        },
    }
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve_all(starts))


if __name__ == "__main__":
    main()
