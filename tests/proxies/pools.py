"""Pools of a test's own, and what is chosen from them."""

from collections import Counter
from collections.abc import Callable

from limpet.keys import Keys
from proxies import Proxy, ProxyPool, ProxyRecord, Selection
from sessions import SessionManager

Pools = Callable[..., tuple[ProxyPool, SessionManager]]
KEYS = Keys("eu")


def record(n: int, **fields: object) -> ProxyRecord:
    proxy = Proxy("http", f"10.1.{n // 250}.{n % 250}", 8080)
    return ProxyRecord(proxy, **fields)  # type: ignore[arg-type] # the test's business


def picks(
    manager: SessionManager, count: int, selection: Selection | None = None
) -> Counter[str]:
    """Bind as many new sessions; return how often each proxy was chosen."""
    start = manager.stats().counters.get("created", 0)
    return Counter(
        manager.acquire(f"n{n}", hold=30, selection=selection).proxy.id
        for n in range(start, start + count)
    )
