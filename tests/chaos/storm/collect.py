"""Wait until all is quiet, and read everything that there is to read."""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from http.client import HTTPException
from math import inf
from typing import Any, Final

from celery import Celery
from redis import Redis

from limpet.keys import BEAT, Keys
from limpet.names import SCRAPE
from tests.chaos.storm.history import (
    Books,
    Death,
    Event,
    History,
    Job,
    Result,
    Visit,
)
from tests.chaos.storm.plan import VISIBILITY, numbers
from tests.chaos.storm.stage import Stage, answering, get

#: Seconds that a storm may take to calm down, after the last that it did.
_CALM: Final = 90
#: Looks, half a second apart, that must all find that all is quiet: a message may be
#: between two places at any one of them.
_LOOKS: Final = 6
#: Where an ended session's count of requests is in what its event tells.
_REQUESTS: Final = 5
_KEYS: Final = Keys("default")


class Reader:
    """Reads what a stage holds."""

    def __init__(self, stage: Stage, app: Celery) -> None:
        self._stage, self._app = stage, app
        self._broker = stage.redis(stage.broker_url)
        self._results = stage.redis(stage.results_url)
        self._sessions = stage.redis(stage.sessions_url)

    def calm(self) -> None:
        """Wait until nothing is under way any more, as long as it grows less."""
        deadline, quiet, least = time.monotonic() + _CALM, 0, inf
        while quiet < _LOOKS and time.monotonic() < deadline:
            jobs = len(waiting(self._broker))
            busy = jobs or self._sessions.zcard(_KEYS.leases)
            quiet = 0 if busy or self._told() - self._kept() else quiet + 1
            if jobs < least:
                deadline, least = time.monotonic() + _CALM, jobs
            time.sleep(0.5)
        while self.away() and time.monotonic() < deadline:
            time.sleep(0.5)

    def away(self) -> list[str]:
        """Return what does not answer."""
        up = {name.partition("@")[0] for name in answering(self._app)}
        names = [one.name for one in self._stage.workers if one.name not in up]
        names += [one.name for one in self._stage.proxies if not one.alive]
        tick: Any = self._sessions.hget(BEAT, "tick")
        if time.time() - float(tick or 0) / 1000 > 30:
            names.append("beat")
        url = f"http://127.0.0.1:{self._stage.flower_port}/healthz"
        try:
            get(url)
        except (OSError, HTTPException):
            names.append("Flower")
        return names

    def history(
        self, jobs: Sequence[Job], deaths: Sequence[Death], away: Sequence[str]
    ) -> History:
        """Read all of it; workers have ended by now."""
        events: Any = self._sessions.xrange(_KEYS.audit)
        return History(
            jobs=tuple(jobs),
            visits=tuple(Visit(**one) for one in json.loads(self._log())),
            deaths=tuple(sorted(deaths, key=lambda one: one.at)),
            audit=tuple(_audit(events)),
            results=tuple(_results(self._results, jobs)),
            books=self._books(events),
            exits=self._stage.exits,
            left=tuple(waiting(self._broker)),
            away=tuple(away),
            visibility=VISIBILITY,
        )

    def redelivered(self) -> int:
        """Return how many messages of dead workers were given to others."""
        logs = (part.log.read_text(errors="replace") for part in self._stage.workers)
        return sum(text.count("message_restored") for text in logs)

    def _log(self) -> str:
        return get(f"{self._stage.site_url}/_log")

    def _told(self) -> set[str]:
        events: Any = self._sessions.xrange(_KEYS.audit)
        return {key for key, _ in events}

    def _kept(self) -> set[str]:
        file = self._stage.folder / "state" / "limpet.db"
        query = "SELECT DISTINCT ms, seq FROM audit_events WHERE item >= 0"
        url = f"file:{file}?mode=ro"
        with closing(sqlite3.connect(url, uri=True, timeout=10)) as db:
            return {f"{ms}-{seq}" for ms, seq in db.execute(query)}

    def _books(self, events: Sequence[tuple[str, dict[str, str]]]) -> Books:
        redis = self._sessions
        ended = [row for _, one in events for row in json.loads(one.get("ended", "[]"))]
        counted = Counter(one["event"] for _, one in events)
        counted["closed"] = len(ended)
        alive = [redis.hget(key, "n") for key in redis.scan_iter(f"{_KEYS.sessions}*")]
        live: dict[str, Any] = {
            proxy: redis.hgetall(_KEYS.live_proxy(proxy)) for proxy in self._stage.exits
        }
        loads: Any = redis.hvals(_KEYS.loads)
        times: Any = redis.hgetall(_KEYS.times)
        counters: Any = redis.hgetall(_KEYS.counters)
        leases: Any = redis.zcard(_KEYS.leases)
        return Books(
            requests=_sum(alive) + _sum(row[_REQUESTS] for row in ended),
            done=_sum(one.get("done") for one in live.values()),
            lost=_sum(one.get("lost") for one in live.values()),
            faults=_sum(one.get("faults") for one in live.values()),
            sessions=_sum(loads),
            alive=len(alive),
            leases=leases,
            measured=_sum(times.values()),
            inflight={proxy: int(one["inflight"]) for proxy, one in live.items()},
            counters={name: int(value) for name, value in counters.items()},
            events=dict(counted),
            told=frozenset(self._told()),
            kept=frozenset(self._kept()),
        )


def waiting(broker: Redis) -> list[str]:
    """Return the ids of the jobs that the broker still holds, in whatever place."""
    texts: list[str] = []
    for key in broker.scan_iter():
        kind = broker.type(key)
        found: Any = []
        if kind == "list":
            found = broker.lrange(key, 0, -1)
        elif kind == "hash" and str(key).startswith("unacked"):
            found = broker.hvals(key)
        texts += found
    return sorted({f"job {number}" for text in texts for number in numbers(text)})


def _audit(events: Iterable[tuple[str, dict[str, str]]]) -> Iterable[Event]:
    for key, one in events:
        at, what = int(key.partition("-")[0]) / 1000, one["event"]
        proxy, reason = one.get("proxy", ""), one.get("reason", "")
        # Those that the clean-up removes are told together.
        names = one["sessions"].split() if "sessions" in one else [one.get("session")]
        for session in names:
            yield Event(what, at, session or "", proxy, reason)


def _results(redis: Redis, jobs: Sequence[Job]) -> Iterable[Result]:
    for job in jobs:
        text: Any = redis.get(f"celery-task-meta-job-{job.number}")
        if text is None:
            continue
        meta = json.loads(text)
        if meta["status"] in {"SUCCESS", "FAILURE", "REVOKED"}:
            yield _result(job, meta["status"], meta["result"])


def _result(job: Job, state: str, told: Any) -> Result:
    if state != "SUCCESS":
        return Result(job.number, state, reason=str(told)[:300])
    if job.task == SCRAPE:
        visits = (json.loads(told["text"])["visit"],)
        return Result(
            job.number,
            state,
            session=told["session"],
            proxy=told["proxy"],
            generation=told["generation"],
            visits=visits,
        )
    pages = [page for page in told["pages"] if page.get("data")]
    why = told["stopped"] or "; ".join(page.get("error", "") for page in told["pages"])
    return Result(
        job.number,
        state,
        session=told["session"],
        visits=tuple(page["data"]["visit"] for page in pages),
        reason=why[:300],
    )


def _sum(values: Iterable[Any]) -> int:
    return sum(int(value or 0) for value in values)
