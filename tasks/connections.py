"""Connections to proxies and sites, as requests and urllib3 do not make them.

One TLS context a process, a deadline over each step, and credentials in UTF-8.
"""

import base64
import re
import socket
import ssl
from functools import cache, partial
from typing import Any, Final
from urllib.parse import urlsplit

import certifi
from requests.adapters import HTTPAdapter
from requests.utils import get_auth_from_url
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.contrib.socks import SOCKSConnection

from tasks import socks
from tasks.clients import SITES
from tasks.deadline import Stage, current
from tasks.dialling import dial, look_up
from tasks.guard import Guard
from tasks.head import Response
from tasks.resolver import sites

_CONNECT_STATUS: Final = re.compile(r"Tunnel connection failed: (\d{3})")


class TunnelRefused(OSError):
    """The proxy answered CONNECT with *status*."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@cache
def tls_context(ca_file: str) -> ssl.SSLContext:
    """One context a process.

    requests makes one a connection, and loads the CA bundle each time: 17 ms of CPU and
    700 KB, measured with requests 2.34 (see psf/requests#6767).
    """
    made = ssl.create_default_context(cafile=certifi.where())
    if ca_file:
        made.load_verify_locations(ca_file)
    return made


class _Plain(HTTPConnection):
    response_class = Response
    #: Judges what a look-up of ours finds.
    guard: Guard | None = None

    def _new_conn(self) -> socket.socket:
        # What is dialled is the proxy: where it is, is its owner's business.
        guard = None if self.proxy else self.guard
        sock = dial(self, self._dns_host, self.port, guard)
        current.get().stage = Stage.SEND
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            deadline = current.get()
            # One that was just dialled is watched already.
            if deadline.stage is not Stage.SEND:
                deadline.reused = True
                deadline.stage = Stage.SEND
                deadline.watch(self.sock)
        super().request(*args, **kwargs)

    def getresponse(self) -> Any:
        deadline = current.get()
        deadline.stage = Stage.WAIT
        answer = super().getresponse()
        deadline.stage = Stage.BODY
        return answer


class _Socks(_Plain, SOCKSConnection):
    def _new_conn(self) -> socket.socket:
        options = self._socks_options
        place = str(options["proxy_host"]), int(options["proxy_port"] or 0)
        host = self._dns_host.strip("[]")
        if not options["rdns"]:
            host = self._look_up(host)
        sock = dial(self, *place, None)
        deadline = current.get()
        deadline.stage = Stage.SOCKS
        try:
            user, password = options["username"], options["password"]
            socks.connect(sock, host, self.port, user, password)
        except BaseException as error:
            sock.close()
            if isinstance(error, ConnectionError):
                # urllib3 takes a reset here for one of the site, and waits for it.
                raise socks.SocksError from None
            raise
        deadline.stage = Stage.SEND
        return sock

    def _look_up(self, host: str) -> str:
        current.get().stage = Stage.NAME
        found = look_up(host, self.port, of=sites())
        good = self.guard.choose(host, found) if self.guard else found
        return str(good[0][4][0])


class _Encrypted(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        forwards = self.proxy is not None and not self.proxy_is_tunneling
        current.get().stage = Stage.PROXY_TLS if forwards else Stage.TLS
        return sock

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        current.get().stage = Stage.PROXY_TLS
        return super()._connect_tls_proxy(hostname, sock)  # type: ignore[misc,no-any-return] # of HTTPSConnection

    def _tunnel(self) -> None:
        current.get().stage = Stage.TUNNEL
        try:
            super()._tunnel()
        except OSError as error:
            # The text goes on with what the proxy wrote: that is for nobody.
            status = _CONNECT_STATUS.match(str(error))
            if not status:
                raise
            raise TunnelRefused(int(status[1])) from None
        current.get().stage = Stage.TLS

    def connect(self) -> None:
        super().connect()
        current.get().stage = Stage.SEND


class _Tls(_Encrypted, _Plain, HTTPSConnection):
    pass


class _SocksTls(_Encrypted, _Socks, HTTPSConnection):
    pass


class _Guarded(HTTPConnectionPool):
    """A pool whose connections know the guard."""

    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard

    def _new_conn(self) -> Any:
        made = super()._new_conn()
        made.guard = self._guard  # type: ignore[attr-defined] # they are ours
        return made


class _PlainPool(_Guarded):
    ConnectionCls = _Plain


class _TlsPool(_Guarded, HTTPSConnectionPool):
    ConnectionCls = _Tls


class _SocksPool(_Guarded):
    ConnectionCls = _Socks


class _SocksTlsPool(_Guarded, HTTPSConnectionPool):
    ConnectionCls = _SocksTls


class Adapter(HTTPAdapter):
    """Makes the connections above; every fetch is within a deadline."""

    def __init__(self, guard: Guard, ca_file: str = "") -> None:
        self._guard = guard
        self._context = tls_context(ca_file)
        #: The site that was asked last, and its pool.
        self._last: tuple[tuple[str, str], Any] = (("", ""), None)
        super().__init__(pool_connections=SITES, pool_maxsize=2, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools(_PlainPool, _TlsPool)

    def get_connection_with_tls_context(
        self, request: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Return the pool of the request's site.

        requests reads the proxy's URL anew for each request, a twentieth of its time.
        The last one cannot be closed: the next site's would have to come first.
        """
        parts = urlsplit(request.url)
        place = (parts.scheme, parts.netloc)
        known, pool = self._last
        if place != known:
            pool = super().get_connection_with_tls_context(request, *args, **kwargs)
            self._last = (place, pool)
        return pool

    def close(self) -> None:
        self._last = (("", ""), None)
        super().close()

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if made := self.proxy_manager.get(proxy):
            return made
        if proxy.startswith("https"):
            kwargs["proxy_ssl_context"] = self._context
        made = super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)
        made.pool_classes_by_scheme = (
            self._pools(_SocksPool, _SocksTlsPool)
            if proxy.startswith("socks")
            else self._pools(_PlainPool, _TlsPool)
        )
        return made

    def _pools(self, plain: Any, tls: Any) -> Any:
        return {
            "http": partial(plain, guard=self._guard),
            "https": partial(tls, guard=self._guard),
        }

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Log in to *proxy*; requests would fail on what Latin-1 lacks."""
        user, password = get_auth_from_url(proxy)
        if not user and not password:
            return {}
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {token}"}

    def cert_verify(self, *_args: Any, **_kwargs: Any) -> None:
        """Leave it to the shared context; the default would load the bundle again."""

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {k: v for k, v in pool.items() if not k.startswith("ca_cert")}
