"""The same pages by crawlee's PlaywrightCrawler: run by `bench/render.py`.

It is run by the Python that has crawlee, and takes one JSON line a turn: the URLs. The
answer is one number a line, the seconds that they took. Each turn has a run of its own,
which starts a browser and ends it: what is timed are the pages between, after the first
ones.

``python render_crawlee.py BROWSER PROXY CONCURRENCY``
"""

import asyncio
import json
import logging
import sys
import time
from datetime import timedelta
from typing import Any

from crawlee import ConcurrencySettings, Request
from crawlee.browsers import BrowserPool, PlaywrightBrowserPlugin
from crawlee.crawlers import PlaywrightCrawler
from crawlee.proxy_configuration import ProxyConfiguration

BROWSER, PROXY, CONCURRENCY = sys.argv[1:4]
logging.disable(logging.CRITICAL)


async def main() -> None:
    """Do the turns."""
    many = int(CONCURRENCY)
    plugin = PlaywrightBrowserPlugin(
        browser_type="chromium",
        browser_launch_options={
            "executable_path": BROWSER or None,
            "chromium_sandbox": False,
        },
        # A context of its own for each page, as sessions have.
        use_incognito_pages=True,
        max_open_pages_per_browser=many,
    )
    crawler = PlaywrightCrawler(
        browser_pool=BrowserPool([plugin]),
        proxy_configuration=ProxyConfiguration(proxy_urls=[PROXY]),
        concurrency_settings=ConcurrencySettings(
            min_concurrency=many, desired_concurrency=many, max_concurrency=many
        ),
        request_handler_timeout=timedelta(seconds=60),
        configure_logging=False,
    )
    seen: list[float] = []

    @crawler.router.default_handler  # type: ignore[untyped-decorator] # not here
    async def handle(context: Any) -> None:
        assert await context.page.content()
        seen.append(time.perf_counter())

    for turn, line in enumerate(sys.stdin):
        urls = json.loads(line)
        first = [urls[0]] * many
        wanted = [
            Request.from_url(url, unique_key=f"{turn}-{n}")
            for n, url in enumerate([*first, *urls])
        ]
        seen.clear()
        await crawler.run(wanted, purge_request_queue=False)
        whole = len(seen) == len(wanted)
        print(seen[-1] - seen[many - 1] if whole else 0, flush=True)


asyncio.run(main())
