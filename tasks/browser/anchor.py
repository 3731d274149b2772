"""The empty tab of a kept context: what the session's next page goes on in.

A page in the process of the last one takes a third less CPU than in one of its own
(``bench/render.py``). What the last page has left there stays too, and so might what it
still does: an anchor whose process does not answer, or has much, is given up.
"""

import asyncio
from contextlib import suppress
from typing import Final, Self

from playwright.async_api import BrowserContext, CDPSession, Error, Page

#: Seconds in which a process answers that does nothing.
_ANSWER: Final = 1.0
#: Bytes of scripts and of what they hold, garbage too: an empty tab has 2 MB.
_MOST: Final = 64 * 1024 * 1024


class Anchor:
    """An empty *page* that stays open between the session's pages."""

    def __init__(self, page: Page, session: CDPSession) -> None:
        self.page, self._session = page, session

    @classmethod
    async def cast(cls, context: BrowserContext) -> Self | None:
        """Open one in the process of the page that is open; `None` if that is stuck."""
        with suppress(Error, TimeoutError):
            async with asyncio.timeout(_ANSWER):
                page = await context.new_page()
                return cls(page, await context.new_cdp_session(page))
        return None

    async def holds(self) -> bool:
        """Return whether its process answers, and has little in it."""
        try:
            async with asyncio.timeout(_ANSWER):
                used = await self._session.send("Runtime.getHeapUsage")
        except (Error, TimeoutError):
            return False
        return float(used["totalSize"] + used.get("backingStorageSize", 0)) < _MOST
