"""The requests that a browser sends to its proxy, read as far as they must be."""

from asyncio import StreamReader, StreamWriter
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from limpet.jobs.headers import reserved

_CHUNK: Final = 65_536
_PORT: Final = 80


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request to a proxy; *lines* are its headers."""

    method: str
    target: str
    host: str
    port: int
    lines: tuple[str, ...]

    @classmethod
    def read(cls, head: bytes) -> Self:
        """Read it.

        Raises:
            ValueError: it is none that a browser sends to a proxy.
        """
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        method, target, _version = first.split(" ", 2)
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        if not parts.hostname or parts.scheme not in {"", "http"}:
            raise ValueError
        return cls(method, target, parts.hostname, parts.port or _PORT, tuple(lines))

    @staticmethod
    def fields(head: bytes) -> dict[str, str]:
        """Return the headers of any head, by their names in lower case."""
        lines = head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if ":" in line)
        return {name.strip().lower(): value.strip() for name, _, value in pairs}

    def sent(self, login: str | None) -> bytes:
        """Return it as it goes on: to a proxy, with its *login*, or to the site."""
        target = self.target
        if login is None:
            parts = urlsplit(target)
            path = parts.path or "/"
            target = f"{path}?{parts.query}" if parts.query else path
        lines = [line for line in self.lines if not _of_the_proxy(line)]
        rest = "".join(f"{line}\r\n" for line in lines)
        text = f"{self.method} {target} HTTP/1.1\r\n{rest}{login or ''}\r\n"
        return text.encode("latin-1")


def _of_the_proxy(line: str) -> bool:
    name = line.partition(":")[0].strip().lower()
    return name.startswith("proxy-") and reserved(name)


async def pass_body(head: Head, reader: StreamReader, writer: StreamWriter) -> int:
    """Pass on the body that follows *head*; return how many bytes it had."""
    fields = {
        name.strip().lower(): value.strip().lower()
        for name, _, value in (line.partition(":") for line in head.lines)
    }
    if "chunked" in fields.get("transfer-encoding", ""):
        return await _pass_chunks(reader, writer)
    return await _pass(int(fields.get("content-length", "0")), reader, writer)


async def _pass(count: int, reader: StreamReader, writer: StreamWriter) -> int:
    left = count
    while left:
        data = await reader.read(min(left, _CHUNK))
        if not data:
            raise EOFError
        left -= len(data)
        writer.write(data)
        await writer.drain()
    return count


async def _pass_chunks(reader: StreamReader, writer: StreamWriter) -> int:
    count, size = 0, -1
    while size:
        line = await reader.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        writer.write(line)
        count += len(line) + await _pass(size + 2, reader, writer)
    return count
