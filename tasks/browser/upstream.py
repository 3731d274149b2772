"""The way out of a browser: through a session's proxy, or straight.

Chromium itself cannot log in to a SOCKS proxy, and says of all that goes wrong behind a
tunnel the same. Here each step of a connection is known, and blamed as in a fetch.
"""

import asyncio
import base64
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from ipaddress import ip_address
from typing import Any, Final, NamedTuple, TypeVar

from limpet.errors import LimpetError
from proxies import Proxy
from tasks import socks
from tasks.blame import classify, exhausted, late, site_s
from tasks.connections import TunnelRefused, tls_context
from tasks.deadline import Stage
from tasks.dialling import DIAL_TIMEOUT
from tasks.guard import Guard
from tasks.resolver import Found, Resolver, proxies, sites

#: Seconds that a proxy has for its part of a connection.
_HANDSHAKE: Final = 15.0
#: Names that are looked up at a time; the look-up itself is bounded by `Resolver`.
_LOOK_UPS: Final = 16
#: The head of an answer, as for fetches.
HEAD_MAX: Final = 262_144
_OK: Final = range(200, 300)

_T = TypeVar("_T")


class Link(NamedTuple):
    """A connection."""

    reader: StreamReader
    writer: StreamWriter


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_LOOK_UPS, thread_name_prefix="browser names")


class Upstream:
    """How one session goes out; *guard* says where to."""

    def __init__(self, proxy: Proxy, guard: Guard, *, ca_file: str = "") -> None:
        self._proxy = proxy
        self._guard = guard
        self._ca_file = ca_file

    @property
    def direct(self) -> bool:
        return self._proxy.direct

    @property
    def forwards(self) -> bool:
        """Whether the proxy reads and writes http:// requests itself."""
        return self._proxy.scheme in {"http", "https"}

    @property
    def login(self) -> str:
        """The header that logs in to it, with its line end; "" without credentials."""
        user, password = self._proxy.username, self._proxy.password
        if not user and not password:
            return ""
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        return f"Proxy-Authorization: Basic {token}\r\n"

    def judge(self, host: str, port: int) -> None:
        """See that *host* may be asked for.

        Raises:
            AddressRefused: no job may go there.
        """
        name = f"[{host}]" if ":" in host else host
        self._guard.judge(f"http://{name}:{port}/")

    async def reach(self, host: str, port: int) -> Link:
        """Connect to *host*, which was judged: bytes go there and come from there.

        Raises:
            LimpetError: it cannot be; as a fetch says it.
        """
        if self.direct:
            return await self._straight(host, port)
        if self.forwards:
            return await self._tunnelled(host, port)
        return await self._through_socks(host, port)

    async def dial(self) -> Link:
        """Connect to the HTTP proxy itself; raises as `reach`."""
        encrypted = self._proxy.scheme == "https"
        place = self._proxy.host, self._proxy.port
        found = await self._staged(Stage.DIAL, lambda: _look_up(proxies(), *place))
        context = tls_context(self._ca_file) if encrypted else None
        stage = Stage.PROXY_TLS if encrypted else Stage.DIAL
        try:
            return await self._staged(
                stage, lambda: _connect(found, context, self._proxy.host)
            )
        except LimpetError:
            proxies().forget(*place)
            raise

    async def _straight(self, host: str, port: int) -> Link:
        found = await self._staged(Stage.NAME, lambda: _look_up(sites(), host, port))
        good = self._guard.choose(host, found)
        return await self._staged(Stage.DIAL, lambda: _connect(good))

    async def _tunnelled(self, host: str, port: int) -> Link:
        link = await self.dial()
        return await self._held(
            link, Stage.TUNNEL, lambda: self._tunnel(link, host, port)
        )

    async def _through_socks(self, host: str, port: int) -> Link:
        if self._proxy.scheme == "socks5":
            found = await self._staged(
                Stage.NAME, lambda: _look_up(sites(), host, port)
            )
            host = str(self._guard.choose(host, found)[0][4][0])
        link = await self.dial()
        return await self._held(link, Stage.SOCKS, lambda: self._talk(link, host, port))

    async def _tunnel(self, link: Link, host: str, port: int) -> None:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        head = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{self.login}\r\n"
        link.writer.write(head.encode("latin-1", "replace"))
        answer = await link.reader.readuntil(b"\r\n\r\n")
        status = status_of(answer)
        if status not in _OK:
            raise TunnelRefused(status) if status else ConnectionError

    async def _talk(self, link: Link, host: str, port: int) -> None:
        user, password = self._proxy.username, self._proxy.password
        turns = socks.talk(host, port, user, password)
        with suppress(StopIteration):
            say, size = next(turns)
            while True:
                link.writer.write(say)
                try:
                    heard = await link.reader.readexactly(size)
                except (OSError, EOFError):
                    raise socks.SocksError from None
                say, size = turns.send(heard)

    async def _held(
        self, link: Link, stage: Stage, shake: Callable[[], Awaitable[None]]
    ) -> Link:
        """Return *link* when the proxy has done its part; else it is closed."""
        try:
            await self._staged(stage, shake)
        except BaseException:
            link.writer.close()
            raise
        return link

    async def _staged(self, stage: Stage, do: Callable[[], Awaitable[_T]]) -> _T:
        """Do one step of a connection; what goes wrong is an error of ours."""
        within = DIAL_TIMEOUT if stage in {Stage.DIAL, Stage.NAME} else _HANDSHAKE
        try:
            async with asyncio.timeout(within):
                return await do()
        except LimpetError:
            raise
        except TimeoutError:
            raise (site_s(late(stage)) if self.direct else late(stage)) from None
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            if short := exhausted(error):
                raise short from None
            # Cut off, or no end of a head in sight: not what was agreed on.
            known = error if isinstance(error, OSError) else ConnectionResetError()
            where = self._stage(stage, known)
            raise classify(known, where, direct=self.direct) from None

    def _stage(self, stage: Stage, cause: BaseException) -> Stage:
        """At a TLS proxy the dial and the handshake are one step."""
        tls = isinstance(cause, ssl.SSLError)
        return Stage.DIAL if stage is Stage.PROXY_TLS and not tls else stage


async def _look_up(resolver: Resolver, host: str, port: int) -> Found:
    try:
        ip_address(host)
    except ValueError:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            _threads(), lambda: resolver.find(host, port, within=DIAL_TIMEOUT)
        )
    return resolver.find(host, port, within=DIAL_TIMEOUT)


async def _connect(
    found: list[Any], context: ssl.SSLContext | None = None, name: str = ""
) -> Link:
    """Connect to the first address that answers."""
    failure: OSError = OSError("no address")
    for family, _, _, _, address in found:
        try:
            return Link(
                *await asyncio.open_connection(
                    *address[:2],
                    family=family,
                    ssl=context,
                    server_hostname=name if context else None,
                    limit=HEAD_MAX,
                )
            )
        except OSError as error:
            failure = error
    raise failure


def status_of(head: bytes) -> int:
    """Return the status of an answer's head, 0 if it is none of HTTP."""
    parts = head.partition(b"\r\n")[0].split(b" ", 2)
    known = len(parts) > 1 and parts[0].startswith(b"HTTP/1.") and parts[1].isdigit()
    return int(parts[1]) if known else 0
