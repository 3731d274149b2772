"""A browser context that a page is done in, or that is kept for the next one."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from playwright.async_api import BrowserContext, Error, Page

from tasks.browser.anchor import Anchor
from tasks.browser.process import Process
from tasks.browser.relay import Relay
from tasks.browser.values import Wish

#: Of a pool, and of a session in it.
Name: TypeAlias = tuple[str, str]


# Without slots: Playwright writes to who listens.
@dataclass
class Held:
    """A context of the session *name*; *fit* says for which lease, and set up how.

    That of a session which came back has an *anchor*. *back* is set while no page is
    done in it. Popups are closed when they come, which may be long after their page.
    """

    name: Name
    process: Process
    context: BrowserContext
    relay: Relay
    fit: tuple[Any, ...] = field(repr=False)
    warm: bool = False
    version: int = 0
    until: float = 0.0
    anchor: Anchor | None = None
    back: asyncio.Event = field(default_factory=asyncio.Event)
    _tab: Page | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _closing: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.context.on("page", self._came)

    async def open(self) -> Page:
        """Open the tab for a page; raises Playwright's errors."""
        async with self._opening:
            self._tab = await self.context.new_page()
        return self._tab

    async def tidy(self, *, anchored: bool) -> None:
        """Close all pages, but for an anchor."""
        async with self._opening:
            if anchored and self.anchor is None:
                self.anchor = await Anchor.cast(self.context)
            self._tab = None
        for page in self.context.pages:
            if not self._is_ours(page):
                await page.close()
        if self.anchor and not await self.anchor.holds():
            await self.anchor.page.close()
            self.anchor = None

    def _came(self, page: Page) -> None:
        task = asyncio.ensure_future(self._judge(page))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _judge(self, page: Page) -> None:
        """Close what is a popup; what is being opened is known when that is done."""
        async with self._opening:
            ours = self._is_ours(page)
        if not ours:
            with suppress(Error):  # it is gone already
                await page.close()

    def _is_ours(self, page: Page) -> bool:
        return page is self._tab or (self.anchor and page is self.anchor.page) is True


def fit(wish: Wish) -> tuple[Any, ...]:
    """Return what a context is made for: the binding, and all that cannot change."""
    lease, job = wish.lease, wish.job
    binding = (lease.incarnation, lease.generation, lease.proxy.url)
    return (*binding, wish.user_agent, job.viewport, job.locale, job.timezone)
