"""The way to a page, and why one did not come."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.async_api import Error, Page

from limpet.errors import BrowserFailed, LimpetError
from limpet.jobs.steps import LoadState
from tasks.blame import made_by_proxy
from tasks.browser import failures
from tasks.browser.relay import Traffic
from tasks.browser.storage import host_of
from tasks.browser.values import Wish
from tasks.browser.watch import Watch

#: What Chromium says where no page came, and nothing went wrong either.
_ABORTED: Final = "ERR_ABORTED"
#: What a page is interrupted by that follows one that failed: it is shown a bit later.
_ERROR_PAGE: Final = 'interrupted by another navigation to "chrome-error:'
#: Seconds for news that are on their way.
_MOMENT: Final = 0.3
#: Times that a page is asked for where the machine's network changes under way, as with
#: each container that starts there: all that a browser asks for here is of loopback.
_TIMES: Final = 6


class _NetworkChanged(Exception):
    """The machine has got or lost an address, and the browser let go of all it had."""


class Way:
    """Goes to pages in *page*, for *wish*; *failed* says that a step cannot be done."""

    def __init__(
        self,
        wish: Wish,
        page: Page,
        watch: Watch,
        traffic: Traffic,
        failed: Callable[[str], LimpetError],
    ) -> None:
        self._wish, self._page, self._watch = wish, page, watch
        self._traffic, self._failed_step = traffic, failed

    async def go(self, url: str, wait: LoadState, seconds: float) -> None:
        """Open *url*; raises what a fetch of it would."""
        until = time.monotonic() + seconds
        for n in range(_TIMES):
            left = max(until - time.monotonic(), 0.001)
            try:
                await self._once(url, wait, left, again=n > 0)
            except _NetworkChanged:
                continue
            self._judge_proxy()
            return
        raise BrowserFailed("the page")

    async def _once(
        self, url: str, wait: LoadState, seconds: float, *, again: bool
    ) -> None:
        broken = self._watch.begin()
        work = asyncio.ensure_future(
            self._page.goto(url, wait_until=wait, timeout=seconds * 1000)
        )
        ends: set[asyncio.Future[Any]] = {work, broken}
        try:
            await asyncio.wait(
                ends, timeout=seconds + 1, return_when=asyncio.FIRST_COMPLETED
            )
            if broken.done():
                # It would not be ready in its whole time.
                raise self._failed(url, failures.net_error(broken.result()))
            if not work.done():
                raise self.unreached(url, None)
            work.result()
        except Error as error:
            if failures.net_error(error.message) == _ABORTED:
                # So it is said of a page whose process has ended, a moment before that.
                await asyncio.wait({self._watch.ended}, timeout=_MOMENT)
            if self._watch.ended.done():
                raise BrowserFailed("the page") from None
            if again and _ERROR_PAGE in error.message:
                raise _NetworkChanged from None
            raise self.unreached(url, error) from None
        finally:
            work.cancel()

    def unreached(self, url: str, error: Error | None) -> LimpetError:
        if error and (lost := failures.gone(error)):
            return lost
        word = failures.net_error(error.message) if error else ""
        if why := self._not_a_page(error, word):
            return self._failed_step(why)
        return self._failed(url, word)

    def _failed(self, url: str, word: str) -> LimpetError:
        """Say whose fault it is that a page did not come, or not to its end."""
        if word == failures.NETWORK_CHANGED:
            raise _NetworkChanged
        host = (self._watch.hosts or [host_of(url)])[-1]
        fault = self._traffic.faults.get(host)
        direct = self._wish.lease.proxy.direct
        return failures.navigation(
            word, fault, direct=direct, forwarded=self._forwarded
        )

    def _not_a_page(self, error: Error | None, word: str) -> str:
        """Say what the site answered that no page can be made of; "" for no answer."""
        if error and "Download is starting" in error.message:
            return "it is a download, which no page takes"
        if self._watch.document is not None and not word:
            return "the page came, but was not ready in time"
        return "the site answered without a page" if word == _ABORTED else ""

    @property
    def _forwarded(self) -> bool:
        last = (self._watch.hosts or [""])[-1]
        plain = urlsplit(self._wish.job.url).scheme == "http" and bool(last)
        return plain and self._wish.lease.proxy.scheme in {"http", "https"}

    def _judge_proxy(self) -> None:
        """See that it is not the proxy that has answered over http://."""
        answer = self._watch.document
        if answer is None or not answer.url.startswith("http://"):
            return
        if self._wish.lease.proxy.scheme in {"http", "https"} and (
            fault := made_by_proxy(answer.status, answer.headers)
        ):
            raise fault
