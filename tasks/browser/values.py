"""What a browser is asked for, and what it brings."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from limpet.errors import LimpetError
from limpet.jobs import RenderJob
from sessions import Lease
from tasks.browser.relay import Traffic
from tasks.page import Page

if TYPE_CHECKING:
    from tasks.browser.held import Held


@dataclass(frozen=True, slots=True)
class Wish:
    """One page: what is to be done in it, for whom, and for how long.

    *timeout* and *step_timeout* are in seconds, *most* in bytes.
    """

    job: RenderJob
    lease: Lease = field(repr=False)
    user_agent: str
    timeout: float
    step_timeout: float
    most: int


@dataclass(frozen=True, slots=True)
class File:
    """Something to keep: *kind* is ``screenshot``, ``pdf`` or ``html``."""

    name: str
    kind: str
    content_type: str
    step: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A page's HTML at one step, for the rules of that step."""

    step: int
    url: str = field(repr=False)
    html: str = field(repr=False)


@dataclass(slots=True)
class Seen:
    """What happened beside the steps."""

    console: list[str] = field(default_factory=list, repr=False)
    popups: int = 0
    dialogs: int = 0
    downloads: int = 0


@dataclass(slots=True)
class Rendered:
    """What a page came to. *error* says why it did not come to its end.

    *page* is its last document, as a fetch would have it; *cut* says that its HTML is
    only the beginning. *cookies* and *origins* are the session's new ones, `None` where
    they cannot be told. *warm* says that the context was kept from the last page. Times
    are in milliseconds.
    """

    held: "Held"
    page: Page
    warm: bool = False
    title: str = ""
    cut: bool = False
    error: LimpetError | None = None
    picture: bytes = field(default=b"", repr=False)
    acted: bool = False
    files: list[File] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict, repr=False)
    steps: list[dict[str, Any]] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    traffic: Traffic = field(default_factory=Traffic)
    times: dict[str, int] = field(default_factory=dict)
    cookies: list[dict[str, Any]] | None = field(default=None, repr=False)
    origins: list[dict[str, Any]] | None = field(default=None, repr=False)
