"""What a fetch brings back."""

from dataclasses import dataclass, field

from limpet.errors import Blame, FetchError
from tasks.charsets import decoded


@dataclass(frozen=True, slots=True)
class Block:
    """Why an answer is a block; *retry_after* is in seconds, `None` if not said.

    *limits* says that the site, by its status, wants fewer requests from everybody;
    else it has something against this visitor, whose proxy stays away for as long.
    """

    reason: str
    retry_after: float | None = None
    limits: bool = False

    def error(self) -> FetchError:
        """Return what a job fails with that may not have such a page."""
        wait = self.retry_after if self.limits else None
        return FetchError(Blame.BLOCK, "blocked", self.reason, wait)


@dataclass(frozen=True, slots=True)
class Page:
    """What came back from *url*, the last one of all redirects.

    *headers* have lower-case names, those that came twice joined by a comma. *body* is
    decoded (gzip, br, deflate, zstd), *truncated* where it was longer than was asked
    for; *wire* counts the bytes that came for it. *elapsed* is in seconds. *block* says
    that this is no page: the target refuses the proxy, or wants to see a human.
    """

    url: str = field(repr=False)
    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    truncated: bool = False
    elapsed: float = 0.0
    redirects: int = 0
    wire: int = 0
    reused: bool = False
    block: Block | None = None

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    def text(self) -> str:
        """Return the body as text.

        In the charset of its byte order mark, its header or its ``<meta>``, as browsers
        find it.
        """
        return decoded(self.content_type, self.body)
