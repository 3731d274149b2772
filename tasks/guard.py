"""Where jobs may not go: loopback, private networks, clouds' metadata.

Whoever can send a job could otherwise read what only the worker, or its proxy, can
reach. The table is our own: `ipaddress` calls metadata addresses of three clouds, NAT64
and 6to4 global. A URL is judged as it will be sent, after `requests` has put it into
its normal form, and again after each redirect.

A name is looked up by the proxy, where no one can judge it: a proxy inside your network
needs a rule of its own. In a direct pool, and for ``socks5``, the look-up is ours: what
it finds is judged, and just that is connected to.
"""

import ipaddress
import socket
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Self
from urllib.parse import urlsplit

from requests.exceptions import RequestException

from limpet.errors import AddressRefused
from limpet.fetch_settings import Network, split_hosts
from limpet.jobs import normal_url
from limpet.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: What of IPv4 is not public (IANA's special-purpose registry, and multicast), and
#: 168.63.129.16, where Azure's machines find their host.
_CLOSED_4: Final = tuple(
    ipaddress.IPv4Network(one)
    for one in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8"),
        *("168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
    )
)
#: Of IPv6 only this is handed out to anybody; mapped, NAT64, unique local, link-local
#: and multicast addresses lie outside.
_OPEN_6: Final = ipaddress.IPv6Network("2000::/3")
#: And within it: IETF protocols with Teredo, documentation, and 6to4.
_CLOSED_6: Final = tuple(
    ipaddress.IPv6Network(one)
    for one in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
#: Names that lead inside by agreement (RFC 6761, RFC 8375, clouds) or by their records.
_INSIDE: Final = (
    *("localhost", "localdomain", "local", "internal", "intranet", "lan", "private"),
    *("corp", "home", "home.arpa", "instance-data", "localtest.me", "lvh.me"),
)
_ALLOW: Final = "LIMPET_ALLOW_PRIVATE_HOSTS can allow it"


def public(address: Address) -> bool:
    """Whether *address* is one that anybody on the Internet can reach."""
    if isinstance(address, ipaddress.IPv6Address):
        return address in _OPEN_6 and not any(address in net for net in _CLOSED_6)
    return not any(address in net for net in _CLOSED_4)


@dataclass(frozen=True, slots=True)
class Guard:
    """Judges URLs and addresses; *names* and *networks* are allowed though private."""

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls.allowing(settings.allow_private_hosts)

    @classmethod
    def allowing(cls, hosts: str) -> Self:
        """Allow *hosts*, as ``LIMPET_ALLOW_PRIVATE_HOSTS`` has them."""
        return cls(*split_hosts(hosts))

    def check(self, url: str) -> None:
        """Judge *url* as it will be sent.

        Raises:
            AddressRefused: no job may go there.
        """
        self.judge(_prepared(url))

    def judge(self, url: str) -> None:
        """Judge *url*, which is in the form that is sent; raises as `check`."""
        if why := _refusal(self, _host(url)):
            raise AddressRefused(why)

    def knows(self, host: str) -> bool:
        """Whether the name *host* is allowed wherever it leads."""
        name = host.rstrip(".").lower()
        parents = name.split(".")[1:]
        above = (f"*.{'.'.join(parents[n:])}" for n in range(len(parents)))
        return name in self.names or any(one in self.names for one in above)

    def admits(self, address: Address) -> bool:
        """Whether *address* may be connected to."""
        plain = _unwrapped(address)
        return public(plain) or any(
            plain in net for net in self.networks if net.version == plain.version
        )

    def choose(self, host: str, found: list[Any]) -> list[Any]:
        """Return those of `getaddrinfo`'s answers for *host* that may be connected to.

        Raises:
            AddressRefused: none of them may.
        """
        if self.knows(host):
            return found
        good = [one for one in found if self.admits(_address(one[4][0]))]
        if not good:
            raise AddressRefused(f"{host!r} leads to no public address; {_ALLOW}")
        return good


@lru_cache(maxsize=4096)
def _refusal(guard: Guard, host: str) -> str:
    """Return why *guard* lets nobody go to *host*, "" if it does."""
    address = _literal(host)
    if address is not None:
        return "" if guard.admits(address) else f"{address} is not public; {_ALLOW}"
    if guard.knows(host) or not _inside(host):
        return ""
    return f"{host!r} is a name of private networks; {_ALLOW}"


def _prepared(url: str) -> str:
    try:
        return normal_url(url)
    except (RequestException, ValueError):
        raise AddressRefused("not a URL that can be fetched") from None


# Each page is judged before its turn is taken and again when it is sent.
@lru_cache(maxsize=256)
def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressRefused("not a URL that can be fetched") from None
    if parts.scheme not in {"http", "https"}:
        raise AddressRefused("not an http:// or https:// URL")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("a URL with a user name or password")
    if not host or port == 0:
        raise AddressRefused("a URL without a host or with port 0")
    return host.lower()


def _literal(host: str) -> Address | None:
    """Read an address in any form that a resolver takes, such as ``0x7f.1``."""
    bare = host.strip("[]").rstrip(".")
    try:
        return _address(bare)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(bare))
    except (OSError, ValueError):
        return None


def _address(text: str) -> Address:
    return _unwrapped(ipaddress.ip_address(text.partition("%")[0]))


def _unwrapped(address: Address) -> Address:
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def _inside(host: str) -> bool:
    name = host.rstrip(".")
    return "." not in name or any(
        name == one or name.endswith(f".{one}") for one in _INSIDE
    )
