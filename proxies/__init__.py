"""The proxies we may send traffic through, and which one to take next."""

from proxies.health import HealthPolicy, Outcome, Standing, Tried
from proxies.pool import DIRECT, ProxyPool, ProxyStatus
from proxies.proxy import Proxy, parse_proxy
from proxies.record import ProxyRecord
from proxies.selection import Selection, where

__all__ = [
    "DIRECT",
    "HealthPolicy",
    "Outcome",
    "Proxy",
    "ProxyPool",
    "ProxyRecord",
    "ProxyStatus",
    "Selection",
    "Standing",
    "Tried",
    "parse_proxy",
    "where",
]
