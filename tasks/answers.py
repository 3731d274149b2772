"""What a job gives back for a page, and what stays of it."""

import base64
from dataclasses import dataclass
from typing import Any, Final

from limpet.jobs import SessionJob
from limpet.jobs.fields import URL_MAX
from limpet.settings import settings
from results.page import StoredPage
from sessions import Lease
from tasks import runtime
from tasks.page import Page

#: Headers that a result may hold. The rest may be a secret (Set-Cookie) or noise.
SAFE_HEADERS: Final = frozenset(
    {
        "age",
        "cache-control",
        "content-disposition",
        "content-language",
        "content-length",
        "content-type",
        "date",
        "etag",
        "expires",
        "last-modified",
        "link",
        # Where a redirect points that is not followed; as little a secret as the URL.
        "location",
        "retry-after",
        "server",
        "vary",
        "x-robots-tag",
    }
)
#: Characters of one of them: a site must not fill Redis through its headers. Cut, it
#: would say something else.
_HEADER_MAX: Final = URL_MAX
_TEXT: Final = ("text/", "application/json", "application/xml", "application/xhtml")
_TEXT_ENDS: Final = ("+json", "+xml", "javascript")


@dataclass(frozen=True, slots=True)
class Answer:
    """One page of a job: *summary* is JSON values, *row* what is kept if asked for.

    What is the same for all pages of a job is not in the summary.
    """

    summary: dict[str, Any]
    row: StoredPage


def answer(
    job: SessionJob, lease: Lease, page: Page, *, task: str, item: int
) -> Answer:
    """Take out of *page* what the job wants, keep its body if asked, and sum it up.

    Raises:
        ExtractionFailed: the page does not give what the rules want.
        StoreUnavailable, ArtifactTooLarge, Cancelled: as `Stores.put`.
    """
    data = None
    if job.extract:
        data = runtime.extractors().extract(
            job.extract, page.text(), url=page.url, content_type=page.content_type
        )
    artifact = None
    if job.store == "body":
        artifact = runtime.stores().put(page, task=task)
    session = None if lease.temporary else lease.session
    summary: dict[str, Any] = {
        "url": page.url,
        "status": page.status,
        "truncated": page.truncated,
        "bytes": len(page.body),
        "elapsed_ms": round(page.elapsed * 1000),
        "redirects": page.redirects,
        "generation": lease.generation,
        "proxy": lease.proxy.id,
        "artifact": artifact,
        "data": data,
    }
    row = StoredPage(
        job=task,
        item=item,
        pool=lease.pool,
        url=page.url,
        session=session,
        proxy=lease.proxy.id,
        generation=lease.generation,
        status=page.status,
        content_type=page.content_type[:255],
        size=len(page.body),
        elapsed=page.elapsed,
        data=data,
        artifact=artifact,
    )
    return Answer(summary, row)


def headers(page: Page) -> dict[str, str]:
    """Return those of a page's headers that a result may hold."""
    return {
        name: value
        for name, value in page.headers.items()
        if name in SAFE_HEADERS and len(value) <= _HEADER_MAX
    }


def content(page: Page) -> dict[str, Any]:
    """Return a page's ``text`` or, when it is none, its ``body_base64``.

    Only the first `LIMPET_RESULT_MAX_BYTES` of it: ``cut`` says that there was more.
    """
    most = settings().result_max_bytes
    if not _is_text(page.content_type):
        body = base64.b64encode(page.body[:most]).decode()
        return {"text": None, "body_base64": body, "cut": len(page.body) > most}
    text = page.text()
    whole = text.encode("utf-8", "surrogatepass")
    cut = len(whole) > most
    if cut:
        text = whole[:most].decode("utf-8", "ignore")
    return {"text": text, "body_base64": None, "cut": cut}


def _is_text(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return not kind or kind.startswith(_TEXT) or kind.endswith(_TEXT_ENDS)
