"""One request through each of many proxies, as a worker would send it."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Final

from cli.pool import Pool
from limpet.errors import AddressRefused, FetchError
from limpet.jobs import web_url
from proxies import Outcome, ProxyRecord
from sessions import Lease
from sessions.state import SessionState
from tasks import runtime
from tasks.blame import outcome
from tasks.fetching import Request
from tasks.page import Page

#: Requests at a time: a site takes more from one client for an attack.
_AT_ONCE: Final = 8
#: Enough to see that a page came.
_MAX_BYTES: Final = 65_536
_BROKEN: Final = 500


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
    workers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="probe")
    try:
        waiting = [
            workers.submit(_probe, pool, record, url, timeout) for record in records
        ]
        for one in as_completed(waiting):
            yield one.result()
    finally:
        workers.shutdown(cancel_futures=True)


def _probe(pool: Pool, record: ProxyRecord, url: str, timeout: float) -> dict[str, Any]:
    lease = _lease(pool.name, record)
    status, detail, fault = "", "", 1.0
    start = time.monotonic()
    try:
        page = runtime.fetcher().fetch(
            lease, Request(url, timeout=timeout, max_bytes=_MAX_BYTES)
        )
        kind, status = _judged(page), str(page.status)
    except FetchError as error:
        (kind, fault), detail = outcome(error), str(error)
    except AddressRefused as error:
        kind, detail = Outcome.NONE, str(error)
    finally:
        runtime.fetcher().drop(lease)
    elapsed = time.monotonic() - start
    state = pool.proxies.report(record.id, kind, elapsed, fault=fault)
    return {
        "id": record.id,
        "address": record.proxy.address,
        "outcome": kind.value,
        "status": status,
        "ms": round(elapsed * 1000),
        "state": state or "unpublished",
        "detail": detail,
    }


def _judged(page: Page) -> Outcome:
    if page.block:
        return Outcome.BLOCKED
    return Outcome.NONE if page.status >= _BROKEN else Outcome.OK


def _lease(pool: str, record: ProxyRecord) -> Lease:
    """A lease that no session stands behind: a probe is a visit of nobody."""
    return Lease(
        pool=pool,
        session=f"~probe-{record.id}",
        token=f"probe:{record.id}",
        proxy=record.proxy,
        generation=0,
        incarnation=0,
        state=SessionState(),
        temporary=True,
        shared=False,
        created=False,
        moved=False,
    )
