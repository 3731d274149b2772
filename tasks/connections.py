"""Connections to proxies and sites, as requests and urllib3 do not make them.

One TLS context a process, a deadline over each step, and credentials in UTF-8.
"""

import base64
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final

import certifi
from requests.adapters import HTTPAdapter
from requests.utils import get_auth_from_url
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.contrib.socks import SOCKSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
)

from tasks import socks
from tasks.deadline import current

#: A dead proxy is known by its dial, long before a slow page is.
_DIAL_TIMEOUT: Final = 10.0
#: Names looked up at a time; a resolver that hangs must not take every thread.
_RESOLVERS: Final = 8


@cache
def _tls() -> ssl.SSLContext:
    """One context a process.

    requests makes one a connection, and loads the CA bundle each time: 17 ms of CPU and
    700 KB, measured with requests 2.34 (see psf/requests#6767).
    """
    return ssl.create_default_context(cafile=certifi.where())


@cache
def _resolver() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="names")


def _resolve(host: str, port: int) -> list[Any]:
    # Nothing can interrupt the C library's look-up: so it is waited for elsewhere.
    kind = socket.SOCK_STREAM
    found = _resolver().submit(socket.getaddrinfo, host, port, type=kind)
    try:
        return found.result(min(_DIAL_TIMEOUT, current.get().left))
    finally:
        found.cancel()


def _dial(made: HTTPConnection, host: str, port: int) -> socket.socket:
    """Connect to *host*: the proxy or, for a direct pool, the site."""
    deadline = current.get()
    deadline.dialling = True
    end = time.monotonic() + min(_DIAL_TIMEOUT, deadline.left)
    try:
        failure: OSError = OSError("no address")
        for family, kind, protocol, _, address in _resolve(host, port):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(max(0.001, end - time.monotonic()))
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
                continue
            return _ready(sock)
        raise failure
    except socket.gaierror as error:
        raise NameResolutionError(host, made, error) from error
    except TimeoutError as error:
        raise ConnectTimeoutError(made, "no connection in time") from error
    except OSError as error:
        raise NewConnectionError(made, type(error).__name__) from error


def _ready(sock: socket.socket) -> socket.socket:
    deadline = current.get()
    deadline.dialling = False
    deadline.watch(sock)
    # Who is late is shut down by the deadline; this is only for its thread's death.
    sock.settimeout(deadline.left + 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class _Plain(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _dial(self, self._dns_host, self.port)

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # kept from an earlier fetch
            current.get().watch(self.sock)
        super().request(*args, **kwargs)


class _Socks(_Plain, SOCKSConnection):
    def _new_conn(self) -> socket.socket:
        options = self._socks_options
        place = str(options["proxy_host"]), int(options["proxy_port"] or 0)
        host = self._dns_host.strip("[]")
        if not options["rdns"]:
            host = self._look_up(host)
        sock = _dial(self, *place)
        try:
            user, password = options["username"], options["password"]
            socks.connect(sock, host, self.port, user, password)
        except BaseException:
            sock.close()
            raise
        return sock

    def _look_up(self, host: str) -> str:
        try:
            return str(_resolve(host, self.port)[0][4][0])
        except (socket.gaierror, TimeoutError):
            raise socks.SocksError(socks.UNREACHABLE) from None


class _Tls(_Plain, HTTPSConnection):
    pass


class _SocksTls(_Socks, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _Tls


class _SocksPool(HTTPConnectionPool):
    ConnectionCls = _Socks


class _SocksTlsPool(HTTPSConnectionPool):
    ConnectionCls = _SocksTls


_POOLS: Final = {"http": _PlainPool, "https": _TlsPool}
_SOCKS_POOLS: Final = {"http": _SocksPool, "https": _SocksTlsPool}


class Adapter(HTTPAdapter):
    """Makes the connections above; every fetch is within a deadline."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=_tls(), **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        made = super().proxy_manager_for(proxy, ssl_context=_tls(), **kwargs)
        over_socks = proxy.startswith("socks")
        made.pool_classes_by_scheme = _SOCKS_POOLS if over_socks else _POOLS
        return made

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
