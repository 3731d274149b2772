"""One proxy: a value whose password is kept out of sight."""

import hashlib
import ipaddress
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from limpet.errors import InvalidProxy

SCHEMES: Final = ("http", "https", "socks5", "socks5h")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_HOST: Final = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?$")
#: The longest name that DNS can carry.
_HOST_MAX: Final = 253
_PORT_MAX: Final = 65_535
#: Anything else before ``://`` belongs to a password that holds these characters.
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
#: ``user:password@host:port``; in ``host:port:user:p@ss`` no port ends the line.
_CREDENTIALS_FIRST: Final = re.compile(r"@[^@]+:\d+$")


@dataclass(frozen=True)
class Proxy:
    """An upstream proxy.

    Two proxies are the same one when scheme, host, port and user name agree:
    providers put the session into the user name, and passwords rotate.
    """

    scheme: str
    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False, compare=False)

    @property
    def direct(self) -> bool:
        """Whether this stands for going out without a proxy."""
        return self.scheme == "direct"

    @cached_property
    def id(self) -> str:
        """Ten hexadecimal digits that stand for the proxy everywhere."""
        identity = f"{self.scheme}://{self.username}@{self.host}:{self.port}"
        return hashlib.sha256(identity.encode()).hexdigest()[:10]

    @property
    def address(self) -> str:
        """Where it is, without credentials: fit for logs and pages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @cached_property
    def url(self) -> str:
        """The whole URL, credentials percent-encoded: for the connection alone."""
        if not self.username and not self.password:
            return self.address
        scheme, rest = self.address.split("://", 1)
        user, password = quote(self.username, safe=""), quote(self.password, safe="")
        return f"{scheme}://{user}:{password}@{rest}"


def parse_proxy(line: str) -> Proxy:
    """Read a URL, ``host:port``, ``host:port:user:password`` or ``user:password@…``.

    Without a scheme the proxy is an HTTP proxy. Before an ``@`` the credentials may be
    percent-encoded; an unencoded ``@``, ``:``, ``/`` or ``#`` in the password works
    too, since it ends at the last ``@``. After a port they are taken literally.

    Raises:
        InvalidProxy: naming the part that is wrong, never repeating the line.
    """
    text = line.strip()
    found = _SCHEME.match(text)
    scheme, rest = (found[1], text[found.end() :]) if found else ("http", text)
    scheme = _scheme(scheme)
    if found or _credentials_first(rest):
        credentials, at, place = rest.rpartition("@")
        user, _, password = credentials.partition(":") if at else ("", "", "")
        host, port = _place(place, _DEFAULT_PORTS[scheme] if found else None)
        return _proxy(scheme, host, port, unquote(user), unquote(password))
    return _colon_separated(scheme, rest)


def proxy_of(
    *, scheme: str, host: str, port: str, username: str = "", password: str = ""
) -> Proxy:
    """Make a proxy of its parts, as tables have them; credentials are literal.

    An empty *scheme* means HTTP; an IPv6 *host* may stand in brackets or not.

    Raises:
        InvalidProxy: naming the part that is wrong, never repeating it.
    """
    if not port:
        raise InvalidProxy("the port is missing")
    bare = host.removeprefix("[").removesuffix("]")
    place = f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"
    known = _scheme(scheme or "http")
    return _proxy(known, *_place(place, None), username, password)


def _scheme(name: str) -> str:
    if name.lower() not in SCHEMES:
        raise InvalidProxy(f"the scheme must be one of {', '.join(SCHEMES)}")
    return name.lower()


def _proxy(scheme: str, host: str, port: int, user: str, password: str) -> Proxy:
    try:
        f"{user}{password}".encode()
    except UnicodeEncodeError:
        raise InvalidProxy("the user name or the password is not text") from None
    return Proxy(scheme, host, port, user, password)


def _credentials_first(rest: str) -> bool:
    """Tell ``user:password@host:port`` from ``host:port:user:p@ss:1``.

    A line that is well-formed both ways would send the credentials to a host that
    nobody meant when we guessed wrong; only an address in front settles it.
    """
    if not _CREDENTIALS_FIRST.search(rest):
        return False
    try:
        other = _colon_separated("http", rest)
    except InvalidProxy:
        return True
    if not _is_address(other.host):
        raise InvalidProxy("it can be read in two ways: write it as a URL")
    return False


def _colon_separated(scheme: str, rest: str) -> Proxy:
    bracket = rest.find("]") if rest.startswith("[") else -1
    head, parts = rest[: bracket + 1], rest[bracket + 1 :].split(":", 3)
    host = head or parts[0]
    if len(parts) == 1:
        raise InvalidProxy("the port is missing (host:port)")
    if len(parts) == 3:  # noqa: PLR2004 - host, port, user
        raise InvalidProxy("the password is missing (host:port:user:password)")
    user, password = (parts[2], parts[3]) if parts[2:] else ("", "")
    return _proxy(scheme, *_place(f"{host}:{parts[1]}", None), user, password)


def _place(place: str, default_port: int | None) -> tuple[str, int]:
    try:
        split = urlsplit(f"//{place}")
        host, port = (split.hostname or "").lower(), split.port
    except ValueError:
        raise InvalidProxy(f"the port must be a number from 1 to {_PORT_MAX}") from None
    if split.path.strip("/") or split.query or split.fragment:
        raise InvalidProxy("nothing may follow the port")
    if port is None:
        port = default_port
    if not port:
        raise InvalidProxy(f"the port must be a number from 1 to {_PORT_MAX}")
    if "@" in place or not _is_host(host):
        raise InvalidProxy("the host is neither a name nor an address")
    return host, port


def _is_host(host: str) -> bool:
    if _is_address(host):
        return True
    named = len(host) <= _HOST_MAX and _HOST.match(host)
    return bool(named) and not host.replace(".", "").isdigit()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
