"""One page in a browser, from its first request to what is kept of it."""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from playwright.async_api import Error, Response
from playwright.async_api import Page as Tab

from limpet.errors import BrowserFailed, FetchError, LimpetError, StepFailed
from limpet.jobs.blocks import SEARCHED
from limpet.jobs.steps import LoadState
from tasks.blame import made_by_proxy
from tasks.browser import failures
from tasks.browser.contexts import Held
from tasks.browser.intercepting import intercept
from tasks.browser.steps import HTML_MAX, Steps
from tasks.browser.storage import Limits, first_party, from_browser, host_of
from tasks.browser.values import Rendered, Wish
from tasks.browser.watch import Watch
from tasks.page import Page

#: Seconds for what is done after a page has failed: a picture, and its storage.
_PICTURE, _STORAGE, _TEXT = 2.0, 4.0, 3.0
#: Seconds that a visit may take beyond its deadline.
GRACE: Final = 15.0
#: What Chromium says where no page came, and nothing went wrong either.
_ABORTED: Final = "ERR_ABORTED"
#: Seconds for news that are on their way.
_MOMENT: Final = 0.3
#: Characters of a title.
_TITLE: Final = 500

_T = TypeVar("_T")


class Visit:
    """The page of *wish* in the context *held*; `run` does it."""

    def __init__(self, wish: Wish, held: Held, limits: Limits) -> None:
        self._wish, self._held, self._limits = wish, held, limits
        self._start = time.monotonic()
        self._found = Rendered(held, _no_page(wish.job.url))
        self._tab: Tab
        self._watch: Watch
        self._steps: Steps
        self._lost: LimpetError | None = None

    async def run(self) -> Rendered:
        """Do it all; whatever goes wrong is in what comes back.

        Raises:
            BrowserFailed: the page did not even open.
        """
        found = self._found
        try:
            self._tab = await self._within(_STORAGE, self._held.context.new_page())
        except (Error, TimeoutError):
            self._held.process.lose()
            raise BrowserFailed("the browser") from None
        self._watch = Watch(
            self._held.context, self._tab, accept=self._wish.job.dialogs == "accept"
        )
        self._steps = Steps(self._wish, self._tab, found, self._go)
        found.seen = self._watch.seen
        found.traffic = self._held.relay.begin(self._wish.most, self._too_much)
        try:
            found.error = await self._bounded()
            await self._look_back()
        finally:
            self._watch.close()
        found.times["total_ms"] = self._ms()
        return found

    async def _bounded(self) -> LimpetError | None:
        """Do the work until it is done, late, or cannot go on."""
        work = asyncio.ensure_future(self._work())
        ends: set[asyncio.Future[Any]] = {work, self._watch.ended}
        await asyncio.wait(
            ends,
            timeout=self._wish.timeout,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not work.done():
            work.cancel()
            await asyncio.wait({work}, timeout=1)
        if self._lost:
            return self._lost
        if self._watch.ended.done() and (what := self._watch.ended.result()):
            return BrowserFailed("the browser" if self._held.process.dead else what)
        if work.cancelled() or not work.done():
            return self._late()
        error = work.exception()
        if error is not None and not isinstance(error, LimpetError):
            raise error
        return self._led(error) if isinstance(error, StepFailed) else error

    async def _work(self) -> None:
        try:
            await intercept(self._tab, self._wish)
            job = self._wish.job
            await self._go(job.url, job.wait, self._wish.timeout)
            self._found.times["load_ms"] = self._ms()
            await self._steps.run()
        except Error as error:
            raise failures.gone(error) or self._steps.failed(
                "the browser would not do it"
            ) from None

    async def _go(self, url: str, wait: LoadState, seconds: float) -> None:
        """Open *url*; raises what a fetch of it would."""
        broken = self._watch.begin()
        work = asyncio.ensure_future(
            self._tab.goto(url, wait_until=wait, timeout=seconds * 1000)
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
                raise self._unreached(url, None)
            work.result()
        except Error as error:
            if failures.net_error(error.message) == _ABORTED:
                # So it is said of a page whose process has ended, a moment before that.
                await asyncio.wait({self._watch.ended}, timeout=_MOMENT)
            if self._watch.ended.done():
                raise BrowserFailed("the page") from None
            raise self._unreached(url, error) from None
        finally:
            work.cancel()
        self._judge_proxy()

    def _led(self, error: StepFailed) -> LimpetError:
        """Say why a step failed: the page that it led to may not have been reached."""
        host = (self._watch.hosts or [""])[-1]
        return self._found.traffic.faults.get(host) or error

    def _unreached(self, url: str, error: Error | None) -> LimpetError:
        if error and (lost := failures.gone(error)):
            return lost
        word = failures.net_error(error.message) if error else ""
        if why := self._not_a_page(error, word):
            return self._steps.failed(why)
        return self._failed(url, word)

    def _failed(self, url: str, word: str) -> LimpetError:
        """Say whose fault it is that a page did not come, or not to its end."""
        host = (self._watch.hosts or [host_of(url)])[-1]
        fault = self._found.traffic.faults.get(host)
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

    def _late(self) -> LimpetError:
        if not self._steps.at:
            return self._unreached(self._wish.job.url, None)
        return self._steps.failed(f"the job's {self._wish.timeout:g} s were over")

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

    def _too_much(self) -> None:
        self._lost = self._lost or self._steps.failed(
            f"the page has brought more than {self._wish.most:,} bytes (max_bytes)"
        )
        self._watch.end("the page")

    # --- what is left of them ---------------------------------------------------

    async def _look_back(self) -> None:
        """Take along what the page has come to."""
        found, error = self._found, self._found.error
        if isinstance(error, BrowserFailed):
            return
        stuck = isinstance(error, StepFailed) and not await self._depict()
        if self._watch.document is None and isinstance(error, FetchError):
            return
        answer = self._watch.document
        found.page = self._page("", answer)
        if not stuck:
            with suppress(Error, TimeoutError, LimpetError):
                await self._within(_TEXT, self._read(answer))
        await self._store(whole=not stuck)

    async def _depict(self) -> bool:
        """Take a picture; return whether the page let that be done."""
        try:
            picture = self._tab.screenshot(timeout=_PICTURE * 1000)
            self._found.picture = await self._within(_PICTURE, picture)
        except (Error, TimeoutError):
            return False
        return True

    async def _read(self, answer: Response | None) -> None:
        job, found = self._wish.job, self._found
        whole = job.extract is not None or job.store == "body"
        most = HTML_MAX if whole else SEARCHED
        html, title = await self._steps.look(most)
        found.cut = whole and len(html) >= most
        found.title = title[:_TITLE]
        found.page = self._page(html, answer)

    def _page(self, html: str, answer: Response | None) -> Page:
        """Return the page as a fetch would have it."""
        headers = dict(answer.headers) if answer else {}
        # What is kept is the page as it became, in the browser's words.
        headers["content-type"] = "text/html; charset=utf-8"
        return Page(
            url=self._url(),
            status=answer.status if answer else 200,
            headers=headers,
            body=html.encode("utf-8", "replace"),
            truncated=self._found.cut,
            elapsed=time.monotonic() - self._start,
            wire=self._found.traffic.received,
        )

    def _url(self) -> str:
        """Return where the page is; one that failed is nowhere that has a name."""
        here = self._tab.url
        return here if here.startswith("http") else self._wish.job.url

    async def _store(self, *, whole: bool) -> None:
        """Take along the storage, or of a page that is stuck the cookies alone."""
        found, context = self._found, self._held.context
        kept = self._wish.lease.state.origins
        hosts = [host_of(str(one["origin"])) for one in kept] + self._watch.hosts
        cookies: Any
        if whole:
            with suppress(Error, TimeoutError):
                state: Any = await self._within(
                    _STORAGE, context.storage_state(indexed_db=True)
                )
                found.origins = first_party(state["origins"], hosts, self._limits)
                found.cookies = from_browser(state["cookies"], hosts)
                return
        # They are the browser's own, and not in the page's hands.
        with suppress(Error, TimeoutError):
            cookies = await self._within(_STORAGE, context.cookies())
            found.cookies = from_browser(cookies, hosts)

    async def _within(self, seconds: float, work: Coroutine[Any, Any, _T]) -> _T:
        async with asyncio.timeout(seconds):
            return await work

    def _ms(self) -> int:
        return round((time.monotonic() - self._start) * 1000)


def _no_page(url: str) -> Page:
    return Page(url=url, status=0, headers={}, body=b"")
