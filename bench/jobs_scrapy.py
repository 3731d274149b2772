"""The same pages by Scrapy, in an environment of its own: run by `bench/jobs.py`.

``python jobs_scrapy.py SITE PAGES SESSIONS CONCURRENCY REDIS PROXY…`` prints a JSON
object: seconds, CPU seconds, and whether scrapy-redis held the queue.
"""

import json
import sys
import time
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess

SITE, PAGES, SESSIONS, CONCURRENCY, REDIS = sys.argv[1:6]
PROXIES = sys.argv[6:]
SETTINGS: dict[str, Any] = {
    "LOG_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
    "ROBOTSTXT_OBEY": False,
    "CONCURRENT_REQUESTS": int(CONCURRENCY),
    "CONCURRENT_REQUESTS_PER_DOMAIN": int(CONCURRENCY),
    "DOWNLOAD_DELAY": 0,
    "RETRY_ENABLED": True,
}
try:
    import scrapy_redis  # noqa: F401
except ImportError:
    pass
else:
    SETTINGS |= {
        "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
        "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
        "REDIS_URL": REDIS,
    }
if REDIS == "-":
    SETTINGS.pop("SCHEDULER", None)
    SETTINGS.pop("DUPEFILTER_CLASS", None)

fetched: list[int] = []


class Pages(scrapy.Spider):  # type: ignore[misc] # it is in another environment
    """All pages, each session with a cookie jar and a proxy of its own."""

    name = "pages"

    async def start(self) -> Any:
        for request in self.start_requests():
            yield request

    def start_requests(self) -> Any:
        """Yield what is to be fetched; Scrapy before 2.13 asks for this."""
        for number in range(int(PAGES)):
            session = number % int(SESSIONS)
            meta = {"cookiejar": session, "proxy": PROXIES[session % len(PROXIES)]}
            yield scrapy.Request(f"{SITE}/{number}", meta=meta, dont_filter=True)

    def parse(self, response: Any, **_more: Any) -> None:
        fetched.append(len(response.body))


start, cpu = time.perf_counter(), time.process_time()
process = CrawlerProcess(SETTINGS)
process.crawl(Pages)
process.start()
took, used = time.perf_counter() - start, time.process_time() - cpu
assert len(fetched) == int(PAGES), f"{len(fetched)} of {PAGES} pages were fetched"
held = "SCHEDULER" in SETTINGS
print(json.dumps({"seconds": took, "cpu": used, "redis": held}))
