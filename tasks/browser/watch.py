"""What a page does beside its steps: it is written down, bounded, or refused."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

from playwright.async_api import (
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Download,
    Error,
    Page,
    Request,
    Response,
)

from tasks.browser.storage import host_of, origin_of
from tasks.browser.values import Seen

#: Errors of a console that are kept, and characters of each.
_MOST: Final = 20
_LONGEST: Final = 500
#: Seconds that dialogs and downloads have to end with the visit.
_CLOSING: Final = 1.0
#: Hosts of documents that are remembered, in their order.
_HOSTS: Final = 50


class Watch:
    """Sees what happens in *page* until `close`.

    *hosts* are those that its documents were asked of, *origins* those of all frames
    and popups; *document* is the last answer that was one; *ended* is done when the
    page cannot go on.
    """

    def __init__(self, context: BrowserContext, page: Page, *, accept: bool) -> None:
        self._context, self._page, self._accept = context, page, accept
        self._tasks: set[asyncio.Task[None]] = set()
        self.seen = Seen()
        self.hosts: list[str] = []
        self.origins: set[str] = set()
        self.document: Response | None = None
        self._broken: asyncio.Future[str] | None = None
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        context.on("page", self._popup)
        page.on("console", self._said)
        page.on("pageerror", self._broke)
        page.on("dialog", self._asked)
        page.on("download", self._downloads)
        # Popups are of the context too: they run until they are closed.
        context.on("request", self._requests)
        page.on("response", self._answered)
        page.on("requestfailed", self._broke_off)
        page.on("crash", lambda _page: self.end("the page"))
        page.on("close", lambda _page: self.end("the page"))

    def begin(self) -> asyncio.Future[str]:
        """Forget the last document: another one is asked for.

        Returns what is done when its answer breaks off, with Chromium's words for it.
        """
        self.document = None
        self._broken = asyncio.get_running_loop().create_future()
        return self._broken

    def end(self, what: str) -> None:
        """Have who waits for the page know that it cannot go on."""
        if not self.ended.done():
            self.ended.set_result(what)

    async def close(self) -> None:
        """See no more; wait for dialogs and downloads, for a second at most."""
        self._context.remove_listener("page", self._popup)
        self._context.remove_listener("request", self._requests)
        self.end("")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CLOSING)

    def _do(self, work: Coroutine[Any, Any, Any]) -> None:
        async def quietly() -> None:
            with suppress(Error):  # it is gone already
                await work

        task = asyncio.ensure_future(quietly())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _popup(self, page: Page) -> None:
        if page is not self._page:
            self.seen.popups += 1

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(message.text)

    def _broke(self, error: Error) -> None:
        self._note(error.message)

    def _note(self, text: str) -> None:
        if len(self.seen.console) < _MOST:
            self.seen.console.append(text[:_LONGEST])

    def _asked(self, dialog: Dialog) -> None:
        self.seen.dialogs += 1
        # A question whether to leave is of the browser: it is always answered so.
        leave = self._accept or dialog.type == "beforeunload"
        self._do(dialog.accept() if leave else dialog.dismiss())

    def _downloads(self, download: Download) -> None:
        self.seen.downloads += 1
        self._do(download.cancel())

    def _requests(self, request: Request) -> None:
        if not request.is_navigation_request():
            return
        self.origins.add(origin_of(request.url))
        if self._is_document(request) and (host := host_of(request.url)):
            if host in self.hosts:
                self.hosts.remove(host)
            self.hosts = [*self.hosts[-_HOSTS:], host]

    def _answered(self, response: Response) -> None:
        if self._is_document(response.request):
            self.document = response

    def _broke_off(self, request: Request) -> None:
        broken, why = self._broken, request.failure or ""
        # A download is an abort, and said otherwise.
        if broken is None or broken.done() or "ERR_ABORTED" in why:
            return
        if self.document is not None and request == self.document.request:
            broken.set_result(why)

    def _is_document(self, request: Request) -> bool:
        # A frame that is not there yet is none of the page's own.
        if not request.is_navigation_request():
            return False
        try:
            return request.frame == self._page.main_frame
        except Error:
            return False
