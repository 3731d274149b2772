"""One request through each of many proxies, for whoever watches."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Final

from cli.pool import Pool
from limpet.errors import AddressRefused
from limpet.jobs import web_url
from proxies import ProxyRecord
from tasks import runtime
from tasks.probing import Target
from tasks.probing import probe as probe_one

#: Requests at a time: a site takes more from one client for an attack.
_AT_ONCE: Final = 8


def problem(url: str) -> str:
    """Return what is wrong with *url*, nothing if it can be fetched."""
    try:
        web_url(url)
        runtime.guard().check(url)
    except (ValueError, AddressRefused) as error:
        return str(error)
    return ""


def probe(
    pool: Pool, records: Sequence[ProxyRecord], url: str, *, timeout: float
) -> Iterator[dict[str, Any]]:
    """Fetch *url* through each proxy, report how it went, and yield that.

    Times in seconds; what is yielded holds no credentials.
    """
    target = Target(url, timeout)
    workers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="probe")
    try:
        waiting = [workers.submit(_probe, pool, record, target) for record in records]
        for one in as_completed(waiting):
            yield one.result()
    finally:
        workers.shutdown(cancel_futures=True)


def _probe(pool: Pool, record: ProxyRecord, target: Target) -> dict[str, Any]:
    found = probe_one(pool.name, record.proxy, target)
    standing = pool.proxies.report(record.id, found.tried)
    return {
        "id": record.id,
        "address": record.proxy.address,
        "outcome": found.tried.outcome.value,
        "status": found.status,
        "ms": round(found.tried.elapsed * 1000),
        "state": standing.state or "unpublished",
        "detail": found.detail,
    }
