"""One named pool of proxies."""

from collections.abc import Sequence
from dataclasses import dataclass

from limpet.errors import LimpetError
from proxies.proxy import Proxy, parse_proxy
from proxies.store import ProxyStore


@dataclass(frozen=True, slots=True)
class ProxyStatus:
    """How a proxy is doing.

    *state* is ``up``, ``cooling`` or ``unpublished`` (in the inventory, but Redis does
    not know it); *due* is the seconds left of its cool-down; *fails* counts failures in
    a row, *sessions* those bound to it, *inflight* its leases.
    """

    proxy: Proxy
    state: str
    due: float
    fails: float
    sessions: int
    inflight: int
    done: int
    faults: int


class ProxyPool:
    """The proxies of one pool; which one a session gets is decided in Redis."""

    def __init__(self, store: ProxyStore) -> None:
        self._store = store
        self._known: dict[tuple[str, str], Proxy] = {}

    def publish(self, proxies: Sequence[Proxy]) -> int:
        """Copy *proxies* from the inventory to Redis; return how many were new."""
        return self._store.publish({proxy.id: proxy.url for proxy in proxies})

    def get(self, proxy_id: str, version: str) -> Proxy:
        """Return the proxy that an acquire named; asked of Redis once a version."""
        known = self._known.get((proxy_id, version))
        if known is None:
            url = self._store.url(proxy_id)
            if url is None:
                raise LimpetError(f"proxy {proxy_id} was removed a moment ago")
            known = self._known[proxy_id, version] = parse_proxy(url)
        return known

    def status(self, proxies: Sequence[Proxy]) -> list[ProxyStatus]:
        """Return how each of *proxies* is doing, in their order."""
        now = self._store.now_ms()
        rows = self._store.live([proxy.id for proxy in proxies])
        return [_status(p, row, now) for p, row in zip(proxies, rows, strict=True)]


def _status(proxy: Proxy, row: dict[str, str], now: int) -> ProxyStatus:
    state = row.get("state", "unpublished")
    due = (int(row["due"]) - now) / 1000 if state == "cooling" else 0.0
    return ProxyStatus(
        proxy,
        state,
        max(0.0, due),
        float(row.get("fails", 0)),
        *(int(row.get(name, 0)) for name in ("sessions", "inflight", "done", "faults")),
    )
