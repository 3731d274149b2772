"""The proxies we may send traffic through, and which one to take next."""

from proxies.pool import ProxyPool, ProxyStatus
from proxies.proxy import Proxy, parse_proxy

__all__ = ["Proxy", "ProxyPool", "ProxyStatus", "parse_proxy"]
