"""Workers in containers, and what can be done to them."""

import json
from collections import Counter
from contextlib import suppress
from typing import Any

from celery import Celery
from celery.result import AsyncResult
from kombu.exceptions import OperationalError
from pytest_celery import CeleryTestSetup, CeleryTestWorker
from redis import Redis
from redis.exceptions import RedisError

_READ_LOG = (
    "from urllib.request import urlopen;"
    "print(urlopen('http://127.0.0.1:8080/_log').read().decode())"
)


class Crowd:
    """Workers, their broker, their session Redis, and a site behind proxies."""

    def __init__(self, setup: CeleryTestSetup, store: Any, stand: Any) -> None:
        self.setup, self.store, self._stand = setup, store, stand
        self.app: Celery = setup.app
        self.workers: list[CeleryTestWorker] = list(setup.worker_cluster)

    def send(
        self, visitor: str, page: int = 1, delay: float = 0, **job: Any
    ) -> AsyncResult[Any]:
        """Send a job for a page that takes *delay* seconds."""
        url = f"http://shop.test:8080/shop/{visitor}/{page}?delay={delay}"
        return self.app.send_task("scrape", kwargs={"url": url, **job})

    def visits(self) -> Counter[tuple[str, int]]:
        """Return how often the site has served each page to each visitor."""
        code, text = self._stand.exec_run(["python", "-c", _READ_LOG])
        assert code == 0, text
        return Counter((visitor, page) for visitor, page, _ in json.loads(text))

    @property
    def sessions(self) -> "Redis":
        found: Redis = self.store.client
        return found

    @property
    def broker(self) -> Any:
        """The broker's container."""
        return self.setup.broker.container

    def leases(self) -> int:
        """Return how many requests are under way."""
        return int(self.sessions.zcard("{default}:l"))

    def holder(self, job: AsyncResult[Any]) -> CeleryTestWorker | None:
        """Return the worker that runs *job*."""
        active = self.app.control.inspect(timeout=2).active() or {}
        for worker in self.workers:
            if any(one["id"] == job.id for one in active.get(worker.hostname(), [])):
                return worker
        return None

    def answering(self) -> set[str]:
        """Return the names of the workers that answer; none, without a broker."""
        with suppress(OperationalError, RedisError):
            answers = self.app.control.ping(timeout=2) or []
            return {name for answer in answers for name in answer}
        return set()

    def started(self) -> list[str]:
        """Return since when each worker has been running."""
        for worker in self.workers:
            worker.container.reload()
        return [one.container.attrs["State"]["StartedAt"] for one in self.workers]


def states(jobs: list[AsyncResult[Any]]) -> Counter[str]:
    """Return how many of the *jobs* are in which state."""
    return Counter(job.state for job in jobs)
