"""Requests of a page that are not made, or with headers of the job's own."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.async_api import Error, Page, Route

from tasks.browser.values import Wish

#: Headers that a job may give, and that a browser has its own of.
_OWN: Final = frozenset({"user-agent", "cookie"})


async def intercept(page: Page, wish: Wish) -> None:
    """Change what *page* asks for, if *wish* wants that; it costs the cache."""
    blocked = frozenset(wish.job.block)
    if blocked:

        async def decide(route: Route) -> None:
            with suppress(Error):  # the page may be gone
                if route.request.resource_type in blocked:
                    await route.abort("blockedbyclient")
                else:
                    await route.continue_()

        await page.route("**/*", decide)
    given = {**wish.lease.state.headers, **wish.job.headers}
    headers = {k.lower(): v for k, v in given.items() if k.lower() not in _OWN}
    if headers:
        await _send_to(_origin(wish.job.url), headers, page)


async def _send_to(home: str, headers: Mapping[str, str], page: Page) -> None:
    """Have *page* send *headers* to the origin *home*, and to no other one.

    Playwright itself would send them along to wherever a redirect leads.
    """
    session = await page.context.new_cdp_session(page)
    tasks: set[asyncio.Task[None]] = set()

    async def go_on(paused: Mapping[str, Any]) -> None:
        asked = paused["request"]
        more = headers if _origin(asked["url"]) == home else {}
        sent = {k: v for k, v in asked["headers"].items() if k.lower() not in more}
        pairs = [{"name": k, "value": v} for k, v in {**sent, **more}.items()]
        with suppress(Error):  # the page may be gone
            await session.send(
                "Fetch.continueRequest",
                {"requestId": paused["requestId"], "headers": pairs},
            )

    def paused(event: Mapping[str, Any]) -> None:
        task = asyncio.ensure_future(go_on(event))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    session.on("Fetch.requestPaused", paused)
    await session.send("Fetch.enable", {"patterns": [{"urlPattern": f"{home}/*"}]})


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
