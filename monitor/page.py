"""What our pages have in common: Flower's look, its login, and strict headers."""

import hashlib
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from flower.views import BaseHandler
from tornado.web import HTTPError

from limpet.errors import LimpetError, StoreUnavailable
from monitor import words
from monitor.sources import Sources

T = TypeVar("T")

STATIC: Final = Path(__file__).parent / "static"
#: No number that means anything is longer: pages, and where Redis looks on.
_DIGITS: Final = 12
#: Everything is from this host, nothing is inline; Bootstrap's icons are data.
_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)


class Page(BaseHandler):  # type: ignore[misc] # it has no types
    """A page of ours; *tab* is the one that it is under."""

    tab = ""
    title = ""
    #: What is said where there is nothing to show.
    absent = "There is no such page"
    #: Seconds between two looks of an open page; 0: it does not look again by itself.
    refresh = 5

    def initialize(self, sources: Sources) -> None:
        self.sources = sources

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("X-Frame-Options", "DENY")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")

    def compute_etag(self) -> None:
        """Return none: nobody may keep a page of ours to compare it with."""

    @property
    def can_act(self) -> bool:
        """Whether this Flower lets people do something from its pages."""
        options = self.application.options
        return bool(options.basic_auth or options.auth) and not options.read_only

    def argument(self, name: str, default: str = "") -> str:
        """Return an argument as it was sent; templates escape what they show."""
        found: str = self.get_argument(name, default, strip=False, escape=False)
        return found

    def number(self, name: str, *, least: int = 1) -> int:
        """Return an argument that counts from *least*; that if it is no such number."""
        text = self.argument(name)
        if text.isascii() and text.isdigit() and len(text) <= _DIGITS:
            return max(least, int(text))
        return least

    async def show(self, template: str, question: Callable[[], T], **more: Any) -> None:
        """Fill *template* with the answer, called *view*; `None` is not there."""
        try:
            view = await self.sources.reader.ask(question)
        except LimpetError as error:
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
            away = isinstance(error, StoreUnavailable)
            self.fill("away.html", reason=str(error), away=away)
            return
        if view is None:
            raise HTTPError(HTTPStatus.NOT_FOUND, self.absent)
        self.fill(template, view=view, **more)

    async def tell(self, question: Callable[[], dict[str, Any]]) -> None:
        """Answer with JSON; 503 without a store."""
        try:
            self.write(await self.sources.reader.ask(question))
        except LimpetError as error:
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
            self.write({"error": str(error)})

    def fill(self, template: str, **values: Any) -> None:
        """Render *template* with what each of our pages needs."""
        options = self.application.options
        self.render(
            template,
            tab=self.tab,
            title=self.title,
            refresh=self.refresh if options.auto_refresh else 0,
            asset=self._asset,
            can_act=self.can_act,
            say=words,
            query=urlencode,
            **values,
        )

    def _asset(self, name: str) -> str:
        return f"{self.reverse_url('limpet-static', name)}?v={_version(name)}"


@cache
def _version(name: str) -> str:
    """Return what changes with the file, so that no browser keeps an old one."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
