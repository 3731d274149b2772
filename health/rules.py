"""What is wrong, told from facts alone: a rule is a function that asks nobody.

The same rules are written for Prometheus in ``deploy/prometheus/rules.yml``; what each
one means, and what to do, is in ``docs/alerts.md``.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from health.check import Check, Report, Status
from health.facts import Facts, PoolFacts
from health.limits import Limits

#: Things that one check names; how many there are it says as its value.
_SHOWN: Final = 3
#: Runs below which a share of them says nothing.
_FEW_RUNS: Final = 3

Rule = Callable[[Facts, Limits], Iterator[Check]]


def judge(facts: Facts, limits: Limits) -> Report:
    """Return what the rules say of *facts*."""
    return Report(tuple(check for rule in RULES for check in rule(facts, limits)))


def _redis(facts: Facts, limits: Limits) -> Iterator[Check]:
    if facts.redis or facts.redis_room is None:
        advice = "Start Redis or free it; jobs wait and nothing is lost meanwhile."
        yield _server("redis", facts.redis, Status.DOWN, advice)
        return
    used, room = facts.redis_room
    share = 100 * used / room
    status = Status.DOWN if used >= room else _above(share, limits.redis_memory)
    yield Check(
        "redis",
        status,
        f"{used:,.0f} of {room:,.0f} MB in use, at most {limits.redis_memory:g} %"
        if status.rank
        else "answers",
        value=round(share, 1),
        limit=limits.redis_memory,
        advice=_when(
            status,
            "Give it more memory (maxmemory), or lower SESSION_MAX_MEMORY_MB: a full "
            "one takes no new session.",
        ),
    )


def _broker(facts: Facts, _limits: Limits) -> Iterator[Check]:
    advice = "Start the broker; nothing can be enqueued or taken until it is back."
    yield _server("broker", facts.broker, Status.DOWN, advice)


def _sql(facts: Facts, _limits: Limits) -> Iterator[Check]:
    advice = "Start the database, or run python manage.py migrate; jobs that store rows"
    yield _server("sql", facts.sql, Status.DEGRADED, f"{advice} wait until then.")


def _server(name: str, trouble: str, worst: Status, advice: str) -> Check:
    if trouble:
        return Check(name, worst, trouble, advice=advice)
    return Check(name, Status.HEALTHY, "answers")


def _workers(facts: Facts, limits: Limits) -> Iterator[Check]:
    found, least = facts.workers, limits.workers
    if found is None:
        yield Check("workers", Status.UNKNOWN, "not known", limit=least)
        return
    status = Status.HEALTHY
    if found < least:
        status = Status.DEGRADED if found else Status.DOWN
    yield Check(
        "workers",
        status,
        f"{found} answering, at least {least} wanted",
        value=found,
        limit=least,
        advice=_when(status, "Start workers: celery -A tasks worker."),
    )


def _scheduler(facts: Facts, limits: Limits) -> Iterator[Check]:
    age, most = facts.beat_age, limits.beat_age
    if age is None:
        if facts.redis:
            yield Check("scheduler", Status.UNKNOWN, "not known", limit=most)
            return
        status, text = Status.DEGRADED, "beat has never been heard of"
    else:
        status = _above(age, most)
        text = f"beat was heard {age:.0f} s ago, at most {most:.0f} s"
    yield Check(
        "scheduler",
        status,
        text,
        value=_rounded(age),
        limit=most,
        advice=_when(status, "Start beat: celery -A tasks beat."),
    )


def _snapshots(facts: Facts, limits: Limits) -> Iterator[Check]:
    most = limits.snapshot_age
    if most is None:
        return
    if facts.pools is None:
        yield Check("snapshots", Status.UNKNOWN, "not known", limit=most)
        return
    for one in facts.pools:
        age = one.snapshot_age
        status = Status.DEGRADED if age is None else _above(age, most)
        text = "there is none yet" if age is None else f"the newest is {age:.0f} s old"
        yield Check(
            "snapshots",
            status,
            f"{text}, at most {most:.0f} s",
            pool=one.pool,
            value=_rounded(age),
            limit=most,
            advice=_when(
                status, "See that a worker takes from the queue upkeep, and its log."
            ),
        )


def _upkeep(facts: Facts, limits: Limits) -> Iterator[Check]:
    known = {name: facts.upkeep.get(name) for name in limits.upkeep}
    if facts.redis or not any(age is not None for age in known.values()):
        yield Check("upkeep", Status.UNKNOWN, "not known", limit=0)
        return
    late = [
        f"{name} for {age:.0f} s, at most {limits.upkeep[name]:.0f} s"
        for name, age in known.items()
        if age is not None and age > limits.upkeep[name]
    ]
    status = Status.DEGRADED if late else Status.HEALTHY
    text = f"not gone well: {_some(late)}" if late else "every task goes well"
    yield Check(
        "upkeep",
        status,
        text,
        value=len(late),
        limit=0,
        advice=_when(status, "See what each of them says: python manage.py schedule."),
    )


def _data(facts: Facts, _limits: Limits) -> Iterator[Check]:
    if facts.redis:
        yield Check("data", Status.UNKNOWN, "not known", limit=0)
        return
    status = Status.DEGRADED if facts.damaged else Status.HEALTHY
    text = f"cannot be read: {_some(facts.damaged)}" if facts.damaged else "can be read"
    yield Check(
        "data",
        status,
        text,
        value=len(facts.damaged),
        limit=0,
        advice=_when(
            status,
            "Something else writes to the session Redis: find out what, and see "
            "docs/operations.md for what to do with each.",
        ),
    )


def _sessions(facts: Facts, limits: Limits) -> Iterator[Check]:
    if facts.pools is None:
        yield Check("sessions", Status.UNKNOWN, "not known", limit=limits.sessions)
        return
    found = sum(one.sessions for one in facts.pools)
    status = _above(found, limits.sessions)
    yield Check(
        "sessions",
        status,
        f"{found:,} active, at most {limits.sessions:,}",
        value=found,
        limit=limits.sessions,
        advice=_when(
            status,
            "See who opens them: python manage.py sessions stats; shorten "
            "SESSION_TIMEOUT_MINUTES, or raise LIMPET_HEALTH_MAX_SESSIONS.",
        ),
    )


def _memory(facts: Facts, limits: Limits) -> Iterator[Check]:
    most = limits.memory_mb
    if most is None:
        return
    if facts.pools is None:
        yield Check("memory", Status.UNKNOWN, "not known", limit=most)
        return
    found = sum(one.memory_mb for one in facts.pools)
    status = _above(found, most)
    yield Check(
        "memory",
        status,
        f"{found:,.1f} MB of sessions, at most {most:,g} MB",
        value=round(found, 1),
        limit=most,
        advice=_when(status, "Idle sessions are evicted; raise SESSION_MAX_MEMORY_MB."),
    )


def _cleanup(facts: Facts, limits: Limits) -> Iterator[Check]:
    most, found = limits.cleanup_failures, facts.cleanup
    if found is None or found.runs < _FEW_RUNS:
        yield Check("cleanup", Status.UNKNOWN, "too few runs to tell", limit=most)
        return
    share = 100 * found.failed / found.runs
    status = _above(share, most)
    yield Check(
        "cleanup",
        status,
        f"{found.failed} of {found.runs} clean-ups failed, at most {most:g} %",
        value=round(share, 1),
        limit=most,
        advice=_when(status, "See the worker's log for what stopped the clean-up."),
    )


def _proxies(facts: Facts, limits: Limits) -> Iterator[Check]:
    if facts.pools is None:
        yield Check("proxies", Status.UNKNOWN, "not known", limit=limits.proxies)
        return
    for one in facts.pools:
        yield _proxies_of(one, limits.proxies)


def _proxies_of(one: PoolFacts, least: float) -> Check:
    known = one.usable + one.resting
    if not known and not one.sessions:
        text = "no proxy may be used, and no session needs one"
        return Check("proxies", Status.HEALTHY, text, pool=one.pool, limit=least)
    share = 100 * one.usable / known if known else 0.0
    status = Status.DEGRADED if share < least else Status.HEALTHY
    return Check(
        "proxies",
        status,
        f"{one.usable:,} of {known:,} usable, at least {least:g} %",
        pool=one.pool,
        value=round(share, 1),
        limit=least,
        advice=_when(
            status,
            "See why they rest: python manage.py proxies ls; try them with python "
            "manage.py proxies probe, import others.",
        ),
    )


def _above(value: float, most: float) -> Status:
    return Status.DEGRADED if value > most else Status.HEALTHY


def _when(status: Status, advice: str) -> str:
    return advice if status.rank else ""


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return "; ".join([*names[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


#: All rules, in the order in which people should look: a server that is down explains
#: what comes after it.
RULES: Final[tuple[Rule, ...]] = (
    _redis,
    _broker,
    _sql,
    _workers,
    _scheduler,
    _upkeep,
    _snapshots,
    _data,
    _sessions,
    _memory,
    _cleanup,
    _proxies,
)
