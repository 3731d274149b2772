"""The client's half of SOCKS5 (RFC 1928, passwords RFC 1929).

PySocks, which requests brings, garbles a user name or password of more than 127 bytes
(providers write whole sessions into them) and tells a refusal as text alone.
"""

import ipaddress
import socket
import struct
from collections.abc import Generator
from contextlib import suppress
from typing import Final

_VERSION: Final = 5
_ANONYMOUS, _PASSWORD = 0, 2
_CONNECT: Final = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_ADDRESS_SIZE: Final = {_IPV4: 4, _IPV6: 16}
#: What the proxy says of the target, not of itself: 3 network unreachable, 4 host
#: unreachable, 5 refused, 6 TTL expired.
_TARGET: Final = frozenset({3, 4, 5, 6})
UNREACHABLE: Final = 4


class SocksError(OSError):
    """The proxy did not connect; *reply* is its code, 0 if it did not get that far."""

    def __init__(self, reply: int = 0, *, auth: bool = False) -> None:
        # Two arguments would be an errno and its text, which urllib3 acts upon.
        super().__init__((reply, auth))
        self.reply = reply
        self.auth = auth

    @property
    def target(self) -> bool:
        """Whether it is the target that cannot be reached."""
        return self.reply in _TARGET


#: What is said, and how many bytes of an answer come next.
_Turns = Generator[tuple[bytes, int], bytes, None]


def connect(
    sock: socket.socket, host: str, port: int, user: str | None, password: str | None
) -> None:
    """Have the proxy that *sock* is connected to connect it to *host* and *port*.

    Raises:
        SocksError: it did not.
    """
    turns = talk(host, port, user, password)
    with suppress(StopIteration):
        say, size = next(turns)
        while True:
            sock.sendall(say)
            say, size = turns.send(_read(sock, size))


def talk(host: str, port: int, user: str | None, password: str | None) -> _Turns:
    """Lead the client's half of the talk, whoever sends and reads the bytes.

    Raises:
        SocksError: the proxy does not connect.
    """
    yield from _greet((user or "").encode(), (password or "").encode())
    place = _address(host) + struct.pack("!H", port)
    head = yield bytes((_VERSION, _CONNECT, 0)) + place, 4
    version, reply, _, kind = head
    if version != _VERSION or reply:
        raise SocksError(reply)
    size = _ADDRESS_SIZE.get(kind)
    if size is None:
        size = (yield b"", 1)[0]
    yield b"", size + 2


def _greet(user: bytes, password: bytes) -> _Turns:
    methods = (_ANONYMOUS, _PASSWORD) if user or password else (_ANONYMOUS,)
    version, method = yield bytes((_VERSION, len(methods), *methods)), 2
    if version != _VERSION:
        raise SocksError
    if method == _PASSWORD and len(methods) > 1:
        if (yield b"\x01" + _short(user) + _short(password), 2)[1]:
            raise SocksError(auth=True)
    elif method != _ANONYMOUS:
        raise SocksError(auth=True)


def _address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bytes((_NAME,)) + _short(host.encode("ascii"))
    four = isinstance(address, ipaddress.IPv4Address)
    return bytes((_IPV4 if four else _IPV6,)) + address.packed


def _short(text: bytes) -> bytes:
    if len(text) > 255:  # noqa: PLR2004 - its length takes one byte
        raise SocksError(auth=True)
    return bytes((len(text),)) + text


def _read(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise SocksError
        data += more
    return data
