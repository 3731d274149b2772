"""One page in a browser, from its first request to what is kept of it."""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog
from playwright.async_api import Error, Response
from playwright.async_api import Page as Tab

from limpet.errors import BrowserFailed, FetchError, LimpetError, StepFailed
from limpet.jobs.blocks import SEARCHED
from tasks.browser import failures
from tasks.browser.held import Held
from tasks.browser.intercepting import intercept
from tasks.browser.keeping import is_plain, restore
from tasks.browser.steps import HTML_MAX, Steps
from tasks.browser.storage import (
    Limits,
    Origin,
    first_party,
    from_browser,
    host_of,
    merged,
    origin_of,
)
from tasks.browser.values import Rendered, Wish
from tasks.browser.watch import Watch
from tasks.browser.way import Way
from tasks.page import Page

#: Seconds for what is done after a page has failed: a picture, and its storage.
_PICTURE, _STORAGE, _TEXT = 2.0, 4.0, 3.0
#: Seconds to put a session's storage back: an origin takes 0.1, on a busy machine.
_RESTORE: Final = 15.0
#: Seconds that a visit may take beyond its deadline.
GRACE: Final = 15.0
#: Characters of a title.
_TITLE: Final = 500

log = structlog.get_logger(__name__)

_T = TypeVar("_T")


class Visit:
    """The page of *wish* in the context *held*; `run` does it."""

    def __init__(self, wish: Wish, held: Held, limits: Limits) -> None:
        self._wish, self._held, self._limits = wish, held, limits
        self._start = time.monotonic()
        self._found = Rendered(held, _no_page(wish.job.url), warm=held.warm)
        self._tab: Tab
        self._watch: Watch
        self._way: Way
        self._steps: Steps
        self._lost: LimpetError | None = None
        self._kept: Origin | None = None

    async def run(self) -> Rendered:
        """Do it all; whatever goes wrong is in what comes back.

        Raises:
            BrowserFailed: the page did not even open.
            InvalidJob: it cannot open as the job wants it.
        """
        found = self._found
        try:
            self._tab = await self._within(_STORAGE, self._held.open())
        except (Error, TimeoutError) as error:
            if wrong := failures.not_taken(error):
                raise wrong from None
            if self._held.anchor:  # whose process has just died
                raise BrowserFailed("the page") from None
            if await self._held.process.pids():  # it answers: others have pages in it
                raise BrowserFailed("the page") from None
            self._held.process.lose()
            raise BrowserFailed("the browser") from None
        if not self._held.warm:
            await self._restore()
        found.times["open_ms"] = self._ms()
        self._watch = Watch(
            self._held.context, self._tab, accept=self._wish.job.dialogs == "accept"
        )
        found.seen = self._watch.seen
        found.traffic = self._held.relay.begin(self._wish.most, self._too_much)
        self._way = Way(
            self._wish,
            self._tab,
            self._watch,
            found.traffic,
            self._failed,
        )
        self._steps = Steps(self._wish, self._tab, found, self._way.go)
        try:
            found.error = await self._bounded()
            await self._look_back()
        finally:
            await self._watch.close()
        found.times["total_ms"] = self._ms()
        return found

    async def _restore(self) -> None:
        """Put the session's storage back: what one site keeps must not be its end."""
        lease = self._wish.lease
        origins = [one for one in lease.state.origins if is_plain(one)]
        if not origins:
            return
        try:
            lost = await self._within(_RESTORE, restore(self._tab, origins))
        except (Error, TimeoutError):
            lost = len(origins)
        if lost:
            log.warning("storage_not_restored", session=lease.session, origins=lost)

    async def _bounded(self) -> LimpetError | None:
        """Do the work until it is done, late, or cannot go on."""
        work = asyncio.ensure_future(self._work())
        ends: set[asyncio.Future[Any]] = {work, self._watch.ended}
        try:
            await asyncio.wait(
                ends,
                timeout=self._wish.timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            work.cancel()
        if not work.done():
            await asyncio.wait({work}, timeout=1)
        if self._lost:
            return self._lost
        if self._watch.ended.done() and (what := self._watch.ended.result()):
            return self._gone(what)
        if work.cancelled() or not work.done():
            return self._late()
        error = work.exception()
        if error is not None and not isinstance(error, LimpetError):
            raise error
        return self._led(error) if isinstance(error, StepFailed) else error

    def _gone(self, what: str) -> LimpetError:
        process = self._held.process
        if process.was_culled() and not process.dead:
            return self._steps.failed("the page took too much memory")
        return BrowserFailed("the browser" if process.dead else what)

    async def _work(self) -> None:
        try:
            await intercept(self._tab, self._wish)
            job = self._wish.job
            await self._way.go(job.url, job.wait, self._wish.timeout)
            self._found.times["load_ms"] = self._ms()
            await self._steps.run()
        except Error as error:
            raise failures.gone(error) or self._steps.failed(
                "the browser would not do it"
            ) from None

    def _failed(self, reason: str) -> LimpetError:
        return self._steps.failed(reason)

    def _led(self, error: StepFailed) -> LimpetError:
        """Say why a step failed: the page that it led to may not have been reached."""
        host = (self._watch.hosts or [""])[-1]
        return self._found.traffic.faults.get(host) or error

    def _late(self) -> LimpetError:
        if not self._steps.at:
            return self._way.unreached(self._wish.job.url, None)
        return self._steps.failed(f"the job's {self._wish.timeout:g} s were over")

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
        html, title, self._kept = await self._steps.take(most, self._limits.size)
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
        before, touched = self._wish.lease.state.origins, self._watch.origins
        hosts = [host_of(str(one["origin"])) for one in before] + self._watch.hosts
        cookies: Any
        if whole and not self._is_all(touched):
            with suppress(Error, TimeoutError):
                state: Any = await self._within(
                    _STORAGE, context.storage_state(indexed_db=True)
                )
                every = merged(before, state["origins"], touched)
                found.origins = first_party(every, hosts, self._limits)
                found.cookies = from_browser(state["cookies"], hosts)
                return
        elif whole and self._kept is not None:
            every = merged(before, [self._kept], touched)
            found.origins = first_party(every, hosts, self._limits)
        # They are the browser's own, and not in the page's hands.
        with suppress(Error, TimeoutError):
            cookies = await self._within(_STORAGE, context.cookies())
            found.cookies = from_browser(cookies, hosts)

    def _is_all(self, touched: set[str]) -> bool:
        """Whether what was taken from the page is all that can have changed."""
        # A page may say anything of others, but not change what its own address is.
        here = origin_of(self._tab.url)
        kept = self._kept
        return kept is not None and kept.get("origin") == here and touched <= {here}

    async def _within(self, seconds: float, work: Coroutine[Any, Any, _T]) -> _T:
        async with asyncio.timeout(seconds):
            return await work

    def _ms(self) -> int:
        return round((time.monotonic() - self._start) * 1000)


def _no_page(url: str) -> Page:
    return Page(url=url, status=0, headers={}, body=b"")
