"""Ask every server how it is, all at once, and be done in time."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Generic, NamedTuple, TypeVar

from celery import Celery

from beat_schedule import ENTRIES
from health import broker
from health.check import Report
from health.facts import Facts, PoolFacts, Runs
from health.limits import Limits, gaps_of
from health.look import Look, PoolLook
from health.question import Question, answered
from health.rules import judge
from health.store import HealthStore
from limpet import database, schema
from limpet.connection import impatient_redis
from limpet.errors import LimpetError
from limpet.names import CLEANUP_EXPIRED_SESSIONS
from limpet.settings import Settings

#: Bytes of a MB, as SESSION_MAX_MEMORY_MB counts them.
_MB: Final = 1_000_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found out: the *report* of the rules, and what it was made of.

    *look* is `None` when Redis did not answer, *queues* (messages by queue) when the
    broker did not. *gaps* is the longest time between two runs of each task of upkeep
    that is switched on, in seconds.
    """

    report: Report
    facts: Facts
    look: Look | None
    queues: Mapping[str, int] | None
    gaps: Mapping[str, float]


class Survey:
    """Asks Redis, the broker and SQL; thread-safe, and safe where any of them hangs."""

    def __init__(
        self,
        settings: Settings,
        app: Celery,
        *,
        workers: Callable[[], int | None] | None = None,
        queues: Callable[[], dict[str, int]] | None = None,
    ) -> None:
        """*app* has the broker; *workers* counts them where somebody knows already.

        *queues* says how long they are, for who asks often.
        """
        timeout = settings.health_timeout_seconds
        self._timeout = timeout
        self._limits = Limits.of(settings)
        self._gaps = gaps_of(settings)
        self._settings = settings
        self._redis = Question(self._look)
        self._sql = Question(lambda: _sql(settings))
        self._queues = Question(queues or (lambda: broker.queue_lengths(app, timeout)))
        self._workers = Question(lambda: broker.workers(app, timeout))
        self._counted = workers

    @cached_property
    def _store(self) -> HealthStore:
        # Made by who asks: a cluster's client talks to it at once.
        return HealthStore(impatient_redis(self._settings), self._settings)

    def _look(self) -> Look:
        return self._store.look()

    def see(self) -> Seen:
        """Return how things are; takes no longer than the timeout, whatever hangs."""
        until = time.monotonic() + self._timeout
        # All at once: each may need the whole time.
        redis_asked, queues_asked = self._redis.put(), self._queues.put()
        sql_asked = self._sql.put()
        workers_asked = None if self._counted else self._workers.put()
        redis = _told(redis_asked, until, "Redis")
        queues = _told(queues_asked, until, "the broker")
        told = _told(workers_asked, until, "the broker") if workers_asked else None
        workers = told.answer if told else self._counted and self._counted()
        sql = _told(sql_asked, until, "the database")
        look = redis.answer
        facts = Facts(
            redis=redis.trouble,
            broker=queues.trouble,
            sql=sql.trouble or sql.answer or "",
            workers=None if queues.trouble else workers,
            beat_age=_age(look, look.beat_at) if look else None,
            cleanup=_cleanup(look) if look else None,
            pools=_pools(look) if look and look.named else None,
            upkeep=_upkeep(look) if look else {},
            damaged=look.damaged if look else (),
            redis_room=_room(look) if look else None,
        )
        report = judge(facts, self._limits)
        return Seen(report, facts, look, queues.answer, self._gaps)


def _pools(look: Look) -> tuple[PoolFacts, ...]:
    return tuple(_pool(look, one) for one in look.pools)


def _sql(settings: Settings) -> str:
    return database.trouble(settings.sql_url, wanted=schema.newest())


class _Told(NamedTuple, Generic[T]):
    """An answer, or what is wrong instead; that holds no address."""

    answer: T | None
    trouble: str = ""


def _told(asked: Future[T], until: float, who: str) -> _Told[T]:
    try:
        return _Told(answered(asked, until))
    except TimeoutError:
        return _Told(None, f"no answer from {who} in time")
    except LimpetError as error:
        return _Told(None, str(getattr(error, "reason", error)))
    except Exception as error:  # noqa: BLE001 - its text may hold an address
        return _Told(None, f"{who} cannot be asked: {type(error).__name__}")


def _age(look: Look, then: float | None) -> float | None:
    return None if then is None else max(0.0, look.at - then)


def _room(look: Look) -> tuple[float, float] | None:
    return look.room and (look.room[0] / _MB, look.room[1] / _MB)


def _cleanup(look: Look) -> Runs:
    recent = look.runs[CLEANUP_EXPIRED_SESSIONS].recent
    return Runs(len(recent), recent.count("x"))


def _upkeep(look: Look) -> dict[str, float]:
    """Return for how long no run of each task has gone well."""
    waits = {entry.name: look.waits_since(entry.task) for entry in ENTRIES}
    return {name: look.at - since for name, since in waits.items() if since}


def _pool(look: Look, one: PoolLook) -> PoolFacts:
    return PoolFacts(
        pool=one.stats.pool,
        sessions=one.stats.sessions - one.stats.expired_waiting,
        usable=one.stats.proxies_up,
        resting=one.stats.proxies_cooling,
        snapshot_age=_age(look, one.snapshot_at),
        memory_mb=one.memory_bytes / _MB,
    )
