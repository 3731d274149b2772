"""A browser context that a page is done in, or that is kept for the next one."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from playwright.async_api import BrowserContext

from tasks.browser.anchor import Anchor
from tasks.browser.process import Process
from tasks.browser.relay import Relay
from tasks.browser.values import Wish

#: Of a pool, and of a session in it.
Name: TypeAlias = tuple[str, str]


@dataclass(slots=True)
class Held:
    """A context of the session *name*; *fit* says for which lease, and set up how.

    That of a session which came back has an *anchor*. *back* is set while no page is
    done in it.
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

    async def tidy(self, *, anchored: bool) -> None:
        """Close all pages, but for an anchor."""
        if anchored and self.anchor is None:
            self.anchor = await Anchor.cast(self.context)
        for page in self.context.pages:
            if self.anchor is None or page is not self.anchor.page:
                await page.close()
        if self.anchor and not await self.anchor.holds():
            await self.anchor.page.close()
            self.anchor = None


def fit(wish: Wish) -> tuple[Any, ...]:
    """Return what a context is made for: the binding, and all that cannot change."""
    lease, job = wish.lease, wish.job
    binding = (lease.incarnation, lease.generation, lease.proxy.url)
    return (*binding, wish.user_agent, job.viewport, job.locale, job.timezone)
