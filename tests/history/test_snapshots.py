"""A snapshot's figures are those of what was done."""

from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine

from history.drain import Drain
from history.names import Names
from history.query import History, Span
from history.snapshots import Snapshots
from history.store import HistoryStore, snapshots_of
from limpet import database
from limpet.errors import StoreUnavailable
from limpet.keys import Keys
from limpet.upkeep import Record
from proxies import HealthPolicy, Outcome, ProxyPool
from proxies.store import ProxyStore
from sessions import SessionManager
from tests.conftest import RECORDS
from tests.history.conftest import Rows, use

KEYS = Keys("default")


@pytest.fixture
def snapshots(store: HistoryStore) -> Snapshots:
    return Snapshots(store)


@pytest.fixture
def history(store: HistoryStore, engine: Engine) -> History:
    return History(store, engine)


def test_a_snapshot_says_what_the_pool_holds(
    manager: SessionManager, pool: ProxyPool, redis: Redis, snapshots: Snapshots
) -> None:
    for name in ("a", "b", "c", "d", "e", "f"):
        use(manager, name)
    manager.acquire("held", hold=30)
    redis.hset(KEYS.session("a"), "x", 1)
    redis.zadd(KEYS.expiry, {"a": 1})

    figures = snapshots.take(manager, pool, {"disabled": 2})

    held = (figures.active, figures.expired_waiting, figures.leased, figures.warm)
    assert held == (6, 1, 1, 0)
    # Seven sessions by turns on five proxies.
    spread = (figures.sessions_min, figures.sessions_max, figures.sessions_mean)
    assert spread == (1, 2, 1.4)
    assert figures.sessions_skew == pytest.approx(2 / 1.4, abs=0.001)
    # By turns each of the five had a request, but for the one that is still held.
    assert figures.proxies == {"disabled": 2, "healthy": 5}
    assert (figures.proxies_up, figures.looked_at) == (5, 5)


def test_a_snapshot_counts_what_happened(
    manager_of: Any, pool: ProxyPool, snapshots: Snapshots, redis: Redis
) -> None:
    manager = manager_of(health=HealthPolicy(max_failures=1))
    for elapsed in (0.1, 0.1, 0.1, 0.9):
        use(manager, "s", elapsed=elapsed)
    manager.release(manager.acquire("s", hold=30), Outcome.FAULT)
    use(manager, "s")  # it has another proxy by now
    lease = manager.acquire("blocked", hold=30)
    manager.release(lease, Outcome.BLOCKED, domain="shop.test", elapsed=0.2)
    manager.close("s")
    use(manager, None)

    totals = snapshots.take(manager, pool, {}).totals

    assert (totals.created, totals.requests) == (3, 8)
    assert (totals.failovers, totals.faults, totals.bans) == (1, 1, 1)
    assert totals.closed == {"closed": 2}
    assert totals.responses == {"100": 3, "200": 1, "1000": 1}
    response = totals.response
    assert response.count == 5
    assert 75 < response.p50 <= 100
    assert 750 < response.p99 <= 1000
    assert response.mean == pytest.approx(300, abs=60)
    assert totals.lifetime.count == 1


def test_lifetimes_are_spread_as_they_were(
    manager: SessionManager, pool: ProxyPool, snapshots: Snapshots, redis: Redis
) -> None:
    for name, seconds in (("a", 3), ("b", 3), ("c", 3), ("d", 1000)):
        use(manager, name)
        ends: Any = redis.hget(KEYS.session(name), "a")
        # As if its life had begun so long ago.
        redis.hset(KEYS.session(name), "a", int(ends) - seconds * 1000)
        manager.close(name)

    totals = snapshots.take(manager, pool, {}).totals

    assert totals.lifetimes == {"2": 3, "10": 1}
    assert totals.lifetime.mean == pytest.approx(1009 / 4, abs=1)
    assert 2 <= totals.lifetime.p50 <= 4
    assert 512 <= totals.lifetime.p99 <= 1024


def test_of_a_large_pool_a_sample_is_looked_at(redis: Redis) -> None:
    pool = ProxyPool(ProxyStore(redis, "default"))
    pool.publish(RECORDS)

    census = pool.census(2)

    assert census.looked_at == 2
    assert census.states == {"unknown": 5}


def test_a_point_is_of_its_own_time(
    manager: SessionManager, pool: ProxyPool, snapshots: Snapshots, history: History
) -> None:
    use(manager, "a", elapsed=0.1)
    snapshots.take(manager, pool, {})
    use(manager, "a", elapsed=0.1)
    use(manager, "b", elapsed=0.1)
    manager.close("a")
    snapshots.take(manager, pool, {})

    first, then = history.pool("default", Span.HOUR)

    # Nobody knows how long the first one's counts took; they are told all the same.
    assert (first.requests, first.created, first.seconds) == (1, 1, 0.0)
    assert (then.requests, then.created, then.closed) == (2, 1, {"closed": 1})
    assert (then.active, then.samples) == (1, 1)
    assert then.response.count == 2
    later = history.pool("default", Span.HOUR, after_ms=round(first.at * 1000))
    assert later == [then]


def test_the_first_snapshot_of_a_pool_tells_what_came_before_it(
    manager: SessionManager,
    pool: ProxyPool,
    snapshots: Snapshots,
    drain: Drain,
    history: History,
    rows: Rows,
) -> None:
    for name in ("a", "b", "c"):
        use(manager, name, elapsed=0.1)
    manager.close("a")
    for _ in range(2):
        snapshots.take(manager, pool, {})
    drain.snapshots("default")

    first, then = rows("SELECT * FROM pool_snapshots ORDER BY ms, seq")

    told = ("created", "ended", "requests", "seconds")
    assert [first[name] for name in told] == [3, 1, 3, 0.0]
    assert [then[name] for name in told[:3]] == [0, 0, 0]
    [day] = history.pool("default", Span.DAY)
    hour = history.hour("default")
    assert hour is not None
    assert (day.created, day.ended, day.requests) == (3, 1, 3)
    assert (hour.created, hour.ended, hour.requests) == (3, 1, 3)


def test_counts_from_before_what_is_kept_are_no_news(
    manager: SessionManager,
    pool: ProxyPool,
    snapshots: Snapshots,
    drain: Drain,
    history: History,
    engine: Engine,
) -> None:
    use(manager, "years-ago")
    snapshots.take(manager, pool, {})
    drain.snapshots("default")
    for _ in range(2):
        use(manager, "today")
        snapshots.take(manager, pool, {})
    drain.snapshots("default")
    with engine.begin() as connection:
        # As retention does.
        connection.exec_driver_sql(
            "DELETE FROM pool_snapshots WHERE ms = (SELECT min(ms) FROM pool_snapshots)"
        )

    [day] = history.pool("default", Span.DAY)

    assert (day.created, day.requests, day.samples) == (0, 1, 2)


def test_a_redis_that_lost_all_counts_anew_and_nothing_is_negative(
    manager: SessionManager,
    pool: ProxyPool,
    redis: Redis,
    snapshots: Snapshots,
    drain: Drain,
    history: History,
) -> None:
    for n in range(9):
        use(manager, f"s{n}")
    snapshots.take(manager, pool, {})
    drain.snapshots("default")
    redis.flushall()
    pool.publish(RECORDS)
    use(manager, "new")
    snapshots.take(manager, pool, {})
    drain.snapshots("default")

    [point] = history.pool("default", Span.DAY)

    assert (point.requests, point.created, point.samples) == (10, 10, 2)


def test_while_sql_is_away_snapshots_wait_and_are_moved_once_it_is_back(
    manager: SessionManager,
    pool: ProxyPool,
    store: HistoryStore,
    snapshots: Snapshots,
    drain: Drain,
    rows: Rows,
) -> None:
    away = Drain(store, database.engine("sqlite:////nowhere/at/all.db"), Names())
    for n in range(3):
        use(manager, f"s{n}")
        snapshots.take(manager, pool, {})
        with pytest.raises(StoreUnavailable):
            away.snapshots("default")

    drain.snapshots("default")
    drain.snapshots("default")

    found = rows(
        "SELECT active, created, requests FROM pool_snapshots ORDER BY ms, seq"
    )
    assert [tuple(row.values()) for row in found] == [(1, 1, 1), (2, 1, 1), (3, 1, 1)]


def test_a_snapshot_of_what_all_pools_share(
    store: HistoryStore, snapshots: Snapshots, drain: Drain, history: History
) -> None:
    cleanup = Record(
        runs=4, failures=1, recent="..x.", last_ok=1e9, result={"sessions": 7}
    )

    taken = snapshots.take_system({"scrape": 3}, cleanup)
    drain.system()

    [again] = history.system(Span.DAY)
    assert taken.memory_bytes > 100_000
    assert (taken.cleanup_runs, taken.cleanup_failures) == (4, 1)
    assert (taken.cleanup_failure_rate, taken.cleanup_last_removed) == (0.25, 7)
    assert again.queues == {"scrape": 3}
    assert again.cleanup_last_ok_ms == 10**12
    assert history.latest_system() == again


def test_a_snapshot_with_a_number_beyond_all_keeps_no_other_from_sql(
    manager: SessionManager,
    pool: ProxyPool,
    redis: Redis,
    snapshots: Snapshots,
    drain: Drain,
    rows: Rows,
) -> None:
    figures = snapshots.take(manager, pool, {})
    for stream in (snapshots_of("default"), snapshots_of(None)):
        redis.delete(stream)
        redis.xadd(stream, {"json": figures.dump()}, id="1-18446744073709551615")
    snapshots.take(manager, pool, {})
    snapshots.take_system({}, Record())

    moved = drain.snapshots("default"), drain.system()

    assert [(one.entries, one.damaged) for one in moved] == [(2, 1), (2, 1)]
    assert rows("SELECT count(*) AS n FROM pool_snapshots") == [{"n": 1}]


def test_the_live_stream_is_capped(redis: Redis, store: HistoryStore) -> None:
    stream = snapshots_of("default")
    for _ in range(1700):
        store.add(stream, "{}")

    assert redis.xlen(stream) < 1600


def test_a_pool_without_a_snapshot_has_no_points(history: History) -> None:
    spans = [history.pool("default", span) for span in Span]

    assert spans == [[], [], []]
    assert history.latest("default") is None
    assert history.latest_system() is None
