"""What jobs bring back, typed: read from the JSON of a result.

A field that a newer worker adds is passed over, one that an older worker does not send
has its default. What a page holds, and the query of its URL, are in no repr.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class _FromJson:
    """A value whose fields are named as those of the JSON."""

    @classmethod
    def read(cls, found: Mapping[str, Any], **more: Any) -> Self:
        """Return what *found* says; *more* wins over it."""
        known = {one.name for one in fields(cls)}
        return cls(**{k: v for k, v in {**found, **more}.items() if k in known})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetched(_FromJson):
    """What is known of any page; *url* is the last one of all redirects."""

    url: str = field(default="", repr=False)
    bytes: int = 0
    truncated: bool = False
    elapsed_ms: int = 0
    redirects: int = 0
    generation: int = 0
    proxy: str = ""
    artifact: str | None = None
    data: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(_Fetched):
    """One page that was fetched, as the task `scrape` returns it.

    *text* is `None` where the page is no text, or rules took *data* out of it; *cut*
    says that there was more. *proxy* is an id, *generation* how many proxies the
    session has been bound to, *artifact* the SHA-256 of a body that was kept. With an
    idempotency key, *duplicate_of* names the job whose page this is, if not this one's.
    """

    job: str
    status: int
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    pool: str = "default"
    session: str | None = None
    tries: int = 1
    text: str | None = field(default=None, repr=False)
    body_base64: str | None = field(default=None, repr=False)
    cut: bool = False
    duplicate_of: str | None = None

    @property
    def body(self) -> bytes | None:
        """The page's bytes, where it is no text."""
        return None if self.body_base64 is None else base64.b64decode(self.body_base64)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOutcome(_Fetched):
    """What became of one page of many: *index* is its place among the URLs asked for.

    It was fetched (*status*), or could not be (*error*). It is *final*, unless its job
    ended before its turn: sent again, that goes on with it. *data_left_out* says that
    the data of all pages together were too much.
    """

    index: int
    status: int | None = None
    error: str | None = None
    final: bool = True
    data_left_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether the page was fetched; any status counts."""
        return self.status is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyPages(_FromJson):
    """What became of many pages, as the task `scrape_many` returns it.

    *stopped* says why some pages were left out; they are in *left*.
    """

    job: str
    pages: tuple[PageOutcome, ...] = field(default=(), repr=False)
    total: int = 0
    done: int = 0
    failed: int = 0
    left: int = 0
    stopped: str | None = None
    pool: str = "default"
    session: str | None = None
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class File(_FromJson):
    """A file that a step has kept: *sha256* names it in the artifact store."""

    name: str = ""
    kind: str = ""
    step: int = 0
    content_type: str = ""
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedPage(_Fetched):
    """A page in a browser, as the task `render` returns it.

    *files* are what its steps kept, *values* what scripts brought, *steps* and *times*
    what took how many milliseconds. *received* and *sent* are bytes through the proxy,
    *refused* hosts that the page asked for and no job may go to. The rest is as of a
    `Page`.
    """

    job: str
    status: int
    title: str = field(default="", repr=False)
    values: dict[str, Any] = field(default_factory=dict, repr=False)
    files: tuple[File, ...] = ()
    cut: bool = False
    steps: list[dict[str, Any]] = field(default_factory=list)
    times: dict[str, int] = field(default_factory=dict)
    received: int = 0
    sent: int = 0
    console: list[str] = field(default_factory=list, repr=False)
    popups: int = 0
    dialogs: int = 0
    downloads: int = 0
    refused: list[str] = field(default_factory=list)
    warm: bool = False
    pool: str = "default"
    session: str | None = None
    tries: int = 1
    duplicate_of: str | None = None

    def file(self, name: str) -> File:
        """Return the file called *name*; raises KeyError if there is none."""
        found = {one.name: one for one in self.files}
        return found[name]


Outcome: TypeAlias = Page | ManyPages | RenderedPage


def outcome(job: str, result: Mapping[str, Any]) -> Outcome:
    """Read the result of a job of any kind."""
    if "files" in result:
        files = tuple(File.read(one) for one in result["files"])
        return RenderedPage.read(result, job=job, files=files)
    if "pages" not in result:
        return Page.read(result, job=job)
    pages = tuple(_one_of_many(one, result["stopped"]) for one in result["pages"])
    return ManyPages.read(result, job=job, pages=pages)


def _one_of_many(found: Mapping[str, Any], stopped: str | None) -> PageOutcome:
    if found.keys() & {"status", "error"}:
        return PageOutcome.read(found, index=found["item"])
    why = f"left out: {stopped}"
    return PageOutcome.read(found, index=found["item"], error=why, final=False)
