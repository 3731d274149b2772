"""A worker that several tests share."""

import re
from typing import Any

from celery.result import AsyncResult
from redis import Redis

from lab import Lab, Visit
from limpet.keys import PERMANENT
from proxies import ProxyPool, ProxyRecord, parse_proxy
from proxies.store import ProxyStore
from sessions import SessionManager
from sessions.store import SessionStore
from tests.stack import Stack


class Crew:
    """One worker, the lab and a Redis of a module's own; each test has its own pool."""

    def __init__(self, stack: Stack, lab: Lab, redis: Redis) -> None:
        self.stack, self.lab, self.redis = stack, lab, redis
        self.app = stack.app()
        self.pool = ""

    def use(self, pool: str, *lines: str) -> None:
        """Have jobs run in *pool*, which gets these proxies."""
        self.pool = pool
        records = [ProxyRecord(parse_proxy(line)) for line in lines]
        ProxyPool(ProxyStore(self.redis, pool)).publish(records)

    def send(self, task: str, **job: Any) -> AsyncResult[Any]:
        return self.app.send_task(task, kwargs={"pool": self.pool, **job})

    def do(self, task: str, within: float = 30, **job: Any) -> Any:
        """Return the result of a job, or the text of its failure."""
        found = self.send(task, **job).get(timeout=within, propagate=False)
        return str(found) if isinstance(found, Exception) else found

    @property
    def sessions(self) -> SessionManager:
        proxies = ProxyPool(ProxyStore(self.redis, self.pool))
        return SessionManager(self.pool, SessionStore(self.redis, self.pool), proxies)

    def visits(self, visitor: str) -> list[Visit]:
        return [one for one in self.lab.visits() if one.visitor == visitor]

    def restless(self) -> list[str]:
        """Return what a job must not leave behind."""
        names = [key.decode() for key in self.redis.scan_iter()]
        found = [
            name
            for name in names
            if self.redis.ttl(name) == -1 and not PERMANENT.match(name)
        ]
        signs = (r"limpet:ql:.*", r"\{.*\}:l", r"\{.*\}:s:~.*")
        found += [one for one in names if any(re.fullmatch(s, one) for s in signs)]
        lives = (name for name in names if "}:d:" in name)
        return found + [
            name for name in lives if self.redis.hget(name, "inflight") != b"0"
        ]
