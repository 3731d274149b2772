"""Sessions that ended leave a row."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine

from history.checkpoint import Checkpoints
from history.drain import Drain
from history.names import Names
from history.restore import Restoration, Restorer
from history.retention import prune
from history.store import HistoryStore
from limpet.keys import Keys
from limpet.settings import Settings
from proxies import Outcome, ProxyPool
from sessions import Reason, SessionManager
from tests.history.conftest import Rows, copy_all, everything, lose_everything, use

KEYS = Keys("default")
CLOSED = (
    "SELECT session, proxy, reason, requests, failovers, bytes, created, closed "
    "FROM closed_sessions ORDER BY session"
)


def expire_all(redis: Redis, manager: SessionManager) -> None:
    names: Any = redis.zrange(KEYS.expiry, 0, -1)
    for name in names:
        redis.hset(KEYS.session(name.decode()), "x", 1)
        redis.zadd(KEYS.expiry, {name: 1})
    while manager.expire(50).more:
        pass


def test_a_session_that_was_closed_leaves_a_row(
    manager: SessionManager, drain: Drain, rows: Rows
) -> None:
    proxy = use(manager, "s", size=700, url="https://shop.test/?q=1")
    use(manager, "s", size=300)
    manager.close("s")

    everything(drain)

    [row] = rows(CLOSED)
    wanted = {
        "session": "s",
        "proxy": proxy,
        "reason": "closed",
        "requests": 2,
        "failovers": 0,
        "bytes": 1000,
    }
    assert {name: row[name] for name in wanted} == wanted


def test_the_request_that_ends_a_session_counts_for_its_row(
    manager: SessionManager, drain: Drain, rows: Rows
) -> None:
    use(manager, "s", size=700)
    lease = manager.acquire("s", hold=30)
    manager.release(lease, Outcome.OK, size=11, close=Reason.MAX_REQUESTS)

    everything(drain)

    [row] = rows(CLOSED)
    assert (row["reason"], row["requests"], row["bytes"]) == ("max_requests", 2, 711)


def test_sessions_that_expire_together_leave_a_row_each(
    manager: SessionManager, redis: Redis, drain: Drain, rows: Rows
) -> None:
    for n in range(60):
        use(manager, f"s{n:02}", size=n)
    there = manager.get("s59")
    others = {info.proxy for info in manager.all()} - {there.proxy if there else ""}
    manager.migrate("s59", min(others))
    expire_all(redis, manager)

    everything(drain)

    found = rows(CLOSED)
    assert [row["session"] for row in found] == [f"s{n:02}" for n in range(60)]
    assert [row["bytes"] for row in found] == list(range(60))
    assert [row["failovers"] for row in found] == [0] * 59 + [1]
    assert {row["reason"] for row in found} == {"idle"}
    told = rows("SELECT session FROM audit_events WHERE event = 'closed'")
    assert sorted(str(row["session"]) for row in told) == [
        f"s{n:02}" for n in range(60)
    ]


def test_a_session_that_expired_was_over_when_its_time_was(
    manager: SessionManager, redis: Redis, drain: Drain, rows: Rows
) -> None:
    use(manager, "s")
    ends: list[bytes] = redis.hmget(KEYS.session("s"), "a", "m")  # type: ignore[assignment] # redis-py
    created = int(ends[0]) - int(ends[1])
    redis.hset(KEYS.session("s"), "x", created + 1)
    redis.zadd(KEYS.expiry, {"s": 1})
    manager.expire(10)

    everything(drain)

    [row] = rows(CLOSED)
    lived = _time(row["closed"]) - _time(row["created"])
    assert lived.total_seconds() == pytest.approx(0.001)


def _time(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def test_sessions_of_one_job_leave_no_row(
    manager: SessionManager, drain: Drain, rows: Rows
) -> None:
    use(manager, None)

    everything(drain)

    assert rows(CLOSED) == []
    assert rows("SELECT * FROM audit_events") == []


def test_names_are_hashed_when_a_key_is_set(
    manager: SessionManager,
    redis: Redis,
    store: HistoryStore,
    engine: Engine,
    rows: Rows,
) -> None:
    for n in range(3):
        use(manager, f"user-{n}@shop.test")
    manager.close("user-0@shop.test")
    expire_all(redis, manager)
    names = Names("a key of 16 chars or more")

    everything(Drain(store, engine, names))

    text = str(rows("SELECT * FROM audit_events")) + str(rows(CLOSED))
    assert "shop.test" not in text
    assert names.label("user-1@shop.test") in {row["session"] for row in rows(CLOSED)}


def test_that_a_session_ended_is_known_for_as_long_as_its_copy(  # noqa: PLR0913, PLR0917 - parts
    manager_of: Callable[..., SessionManager],
    pool: ProxyPool,
    redis: Redis,
    checkpoints: Checkpoints,
    restorer: Restorer,
    drain: Drain,
    engine: Engine,
    store: HistoryStore,
) -> None:
    manager = manager_of(idle_ttl=7 * 86_400, max_age=14 * 86_400)
    use(manager, "ended")
    copy_all(checkpoints)
    manager.close("ended")
    drain.audit("default")
    config = Settings(closed_keep_days=1, checkpoint_keep_hours=1)
    day = 86_400_000

    two = prune(engine, config, now_ms=store.now_ms() + 2 * day, going=lambda: True)
    lose_everything(redis, pool)
    done = restorer.restore(manager)
    nine = prune(engine, config, now_ms=store.now_ms() + 9 * day, going=lambda: True)

    assert (two.closed, two.checkpoints) == (0, 0)
    assert done == Restoration(ended=1)
    assert (nine.closed, nine.checkpoints) == (1, 1)
