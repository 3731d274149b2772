"""Browser contexts: made for a session, and kept open for its next page.

Like the connections of a fetch, a context belongs to one lease until it is kept or
dropped, and is used again only where nobody else has used the session meanwhile.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from playwright.async_api import BrowserContext, Error

from limpet.errors import BrowserFailed
from limpet.settings import Settings
from sessions import Lease
from tasks.browser.held import Held, Name, fit
from tasks.browser.keeping import is_plain
from tasks.browser.process import Process
from tasks.browser.relay import Relay
from tasks.browser.storage import host_of, to_browser
from tasks.browser.upstream import Upstream
from tasks.browser.values import Wish
from tasks.guard import Guard

#: Seconds that a context has to close: one that cannot has a page that is stuck.
_CLOSE = 5.0
#: Seconds to wait for the session's context, which its last job puts away after the
#: lease has ended: to make another costs 0.1 s of CPU.
_BACK = 1.0

log = structlog.get_logger(__name__)


class Contexts:
    """All contexts of a worker process, in the event loop of its browser."""

    def __init__(
        self,
        config: Settings,
        program: Path | None,
        guard: Guard,
        *,
        home: Path | None = None,
    ) -> None:
        self._config, self._program, self._guard = config, program, guard
        self._home = home
        self._process: Process | None = None
        self._starting = asyncio.Lock()
        self._kept: OrderedDict[Name, Held] = OrderedDict()
        self._used: dict[Name, Held] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def take(self, wish: Wish) -> Held:
        """Return the session's own context if it is still right, or a new one.

        Raises:
            BrowserFailed: no browser could be started.
        """
        await self._expire()
        lease = wish.lease
        name = (lease.pool, lease.session)
        used = self._used.get(name)
        if used and used.fit == fit(wish) and not lease.shared:
            with suppress(TimeoutError):
                await asyncio.wait_for(used.back.wait(), _BACK)
        if kept := self._kept.pop(name, None):
            right = kept.fit == fit(wish) and kept.version == lease.state.version
            if right and not self._is_worn(kept.process):
                kept.warm = True
                kept.process.open += 1
                kept.process.pages += 1
                return self._give(kept)
            await self.close(kept, used=False)
        # One that has died since is found out by this, and asked for nothing before.
        for last in (False, True):
            process = await self._running()
            try:
                return self._give(await self._make(process, wish))
            except (Error, BrowserFailed) as error:
                process.lose()
                if last:
                    log.warning("browser_gives_no_context", reason=type(error).__name__)
                    raise BrowserFailed("the browser") from None
        raise AssertionError  # the last try returns or raises

    async def keep(self, held: Held, lease: Lease, version: int) -> None:
        """Keep it for the session's next page; its state has got *version*."""
        held.process.open -= 1
        worn = self._is_worn(held.process)
        if self._config.render_hot_contexts < 1 or worn or version < 0:
            await self.close(held, used=False)
            return
        try:
            async with asyncio.timeout(_CLOSE):
                # Many sessions never come back; those that have will once more.
                await held.tidy(anchored=not lease.created)
        except (Error, TimeoutError):
            await self.close(held, used=False)
            return
        except asyncio.CancelledError:  # its job was told to end
            self._later(self.close(held, used=False))
            raise
        held.version = version
        held.until = time.monotonic() + self._config.render_hot_seconds
        loop = asyncio.get_running_loop()
        loop.call_at(loop.time() + self._config.render_hot_seconds, self._look)
        stale = [self._kept.pop(held.name, None)]
        self._kept[held.name] = held
        self._take_back(held)
        if len(self._kept) > self._config.render_hot_contexts:
            stale.append(self._kept.popitem(last=False)[1])
        for one in filter(None, stale):
            await self.close(one, used=False)

    def drop(self, held: Held) -> None:
        """Have it closed, while its job goes on: that takes a page 30 ms and more."""
        self._later(self.close(held))

    async def close(self, held: Held, *, used: bool = True) -> None:
        """Close it, and its browser too, if that was to go with its last page."""
        # It is closed, whoever waits for that.
        await asyncio.shield(self._later(self._close(held, used=used)))

    async def _close(self, held: Held, *, used: bool) -> None:
        self._take_back(held)
        process = held.process
        process.open -= used
        try:
            async with asyncio.timeout(_CLOSE):
                await held.context.close()
        except TimeoutError:
            log.warning("context_is_stuck")
            process.worn = True
        except Error:
            process.lose()
        await held.relay.close()
        if process.worn and not process.open:
            self._end(process)

    async def shut(self) -> None:
        """Close everything."""
        kept, self._kept = list(self._kept.values()), OrderedDict()
        for one in kept:
            await self.close(one, used=False)
        if self._process:
            self._end(self._process)
        while self._ending:
            await asyncio.gather(*self._ending)

    def _give(self, held: Held) -> Held:
        held.back.clear()
        self._used[held.name] = held
        return held

    def _take_back(self, held: Held) -> None:
        held.back.set()
        if self._used.get(held.name) is held:
            del self._used[held.name]

    @property
    def process(self) -> Process | None:
        """The browser that new contexts are made in."""
        return self._process

    async def _running(self) -> Process:
        async with self._starting:
            process = self._process
            if process and self._is_worn(process):
                process.worn = True
                self._process = None
                await self._forget(process)
                if not process.open or process.dead:
                    self._end(process)
            if self._process is None:
                self._process = await Process.start(
                    self._config, self._program, self._home
                )
            return self._process

    def _is_worn(self, process: Process) -> bool:
        return process.worn or process.pages >= self._config.render_max_pages

    async def _make(self, process: Process, wish: Wish) -> Held:
        relay = Relay(Upstream(wish.lease.proxy, self._guard, ca_file=self._ca_file))
        await relay.open()
        process.open += 1
        try:
            context = await self._context(process, relay, wish)
        except BaseException:
            process.open -= 1
            await relay.close()
            raise
        process.pages += 1
        name = (wish.lease.pool, wish.lease.session)
        return Held(name, process, context, relay, fit(wish))

    @property
    def _ca_file(self) -> str:
        return str(self._config.ca_file or "")

    async def _context(
        self, process: Process, relay: Relay, wish: Wish
    ) -> BrowserContext:
        job = wish.job
        options: dict[str, Any] = {
            "proxy": {
                "server": f"http://127.0.0.1:{relay.port}",
                # Else Chromium goes to loopback and link-local addresses by itself.
                "bypass": "<-loopback>",
            },
            "user_agent": wish.user_agent,
            "viewport": {"width": job.viewport.width, "height": job.viewport.height},
            "service_workers": "block",
            "accept_downloads": False,
        }
        if job.locale:
            options["locale"] = job.locale
        if job.timezone:
            options["timezone_id"] = job.timezone
        cookies = _cookies(wish)
        # The rest is restored in the page itself, which takes a third of the time.
        hard = [one for one in wish.lease.state.origins if not is_plain(one)]
        try:
            state = {"cookies": cookies, "origins": hard}
            return await process.context(**options, storage_state=state)
        except Error:
            if not cookies and not hard:
                raise
        # What one site keeps must not be the end of the session.
        if hard:
            log.warning("storage_not_restored", session=wish.lease.session)
        context = await process.context(**options)
        for one in cookies:
            with suppress(Error):  # that Chromium does not take it
                await context.add_cookies([one])
        return context

    def _look(self) -> None:
        """Have contexts closed that nobody came back for."""
        self._later(self._expire())

    def _later(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    async def _expire(self) -> None:
        now = time.monotonic()
        over = [n for n, one in self._kept.items() if one.until <= now]
        for name in over:
            if held := self._kept.pop(name, None):
                await self.close(held, used=False)

    async def _forget(self, process: Process) -> None:
        for name in [n for n, one in self._kept.items() if one.process is process]:
            if held := self._kept.pop(name, None):
                await held.relay.close()

    def _end(self, process: Process) -> None:
        """Have it end while others go on: one that is gone takes its time."""
        if process is self._process:
            self._process = None
        if process.ending:
            return
        process.ending = True
        self._later(process.close())


def _cookies(wish: Wish) -> list[Any]:
    steps = [getattr(step, "url", None) or "" for step in wish.job.steps]
    hosts = {host_of(url) for url in (wish.job.url, *steps)}
    return to_browser(wish.lease.state.cookies, hosts)
