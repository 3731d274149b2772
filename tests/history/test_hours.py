"""Sums by the hour, and what is forgotten."""

from dataclasses import replace

import pytest
from redis import Redis
from sqlalchemy import Engine
from sqlmodel import Session, select

from history.drain import Drain
from history.figures import PoolFigures, SystemFigures
from history.query import History, Span
from history.retention import Pruned, prune
from history.rollup import HOUR_MS, RolledUp, roll_up
from history.store import HistoryStore, snapshots_of
from history.tables import AuditRow, ClosedRow, HourRow
from history.tables.writing import insert, utc
from history.totals import Totals
from limpet.settings import Settings
from tests.history.conftest import Rows

DAY_MS = 24 * HOUR_MS
MINUTE_MS = 60_000
FIGURES = PoolFigures(
    pool="default",
    at_ms=0,
    active=10,
    expired_waiting=0,
    leased=1,
    warm=0,
    proxies_up=5,
    proxies_cooling=0,
    proxies={"healthy": 5},
    looked_at=5,
    sessions_min=2,
    sessions_max=2,
    sessions_mean=2.0,
    sessions_skew=1.0,
    totals=Totals(),
)


def hour_of(at_ms: int) -> int:
    return at_ms - at_ms % HOUR_MS


@pytest.fixture
def now(redis: Redis) -> int:
    seconds, micros = redis.time()
    return seconds * 1000 + micros // 1000


def lived(redis: Redis, first_ms: int, minutes: int, step: int = 1) -> None:
    """Have a snapshot each *step* minutes: 10 requests and 1 failover a minute."""
    for n in range(0, minutes, step):
        totals = Totals(
            requests=10 * n,
            failovers=n,
            responses={"100": 10 * n},
            renders={"1000": n},
        )
        figures = replace(FIGURES, active=10 + n % 2, totals=totals)
        at = f"{first_ms + n * MINUTE_MS}-1"
        redis.xadd(snapshots_of("default"), {"json": figures.dump()}, id=at)


def moved(drain: Drain) -> None:
    while drain.snapshots("default").more:
        pass


def test_an_hour_is_summed_up_once_it_is_over(
    redis: Redis, engine: Engine, drain: Drain, rows: Rows, now: int
) -> None:
    start = hour_of(now) - 3 * HOUR_MS
    lived(redis, start, 3 * 60 + 1)
    moved(drain)

    first, again = roll_up(engine, "default"), roll_up(engine, "default")

    found = rows(
        "SELECT samples, active, requests, failovers FROM pool_hours ORDER BY at"
    )
    assert (first, again) == (RolledUp(3), RolledUp(0))
    # The first minute only says where counting began.
    assert [row["requests"] for row in found] == [590, 600, 600]
    assert [row["failovers"] for row in found] == [59, 60, 60]
    assert [(row["samples"], row["active"]) for row in found] == [(60, 10.5)] * 3


def test_pages_in_a_browser_are_summed_up_if_the_version_counted_them(
    redis: Redis, engine: Engine, drain: Drain, now: int
) -> None:
    lived(redis, hour_of(now) - 3 * HOUR_MS, 3 * 60 + 1)
    moved(drain)
    roll_up(engine, "default")
    history = History(HistoryStore(redis), engine)

    counted = history.pool("default", Span.WEEK)[1].render
    with Session(engine) as session:
        for row in session.exec(select(HourRow)):
            row.point = {
                name: row.point[name] for name in row.point if name != "render"
            }
            session.add(row)
        session.commit()
    before = history.pool("default", Span.WEEK)[1]

    assert (counted.count, 750 < counted.p50 < 1000) == (60, True)
    assert (before.render.count, before.requests) == (0, 600)


def test_to_sum_up_again_changes_nothing(
    redis: Redis, engine: Engine, drain: Drain, rows: Rows, now: int
) -> None:
    lived(redis, hour_of(now) - 3 * HOUR_MS, 3 * 60 + 1)
    moved(drain)
    roll_up(engine, "default")
    query = "SELECT * FROM pool_hours ORDER BY at"
    before = rows(query)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "DELETE FROM history_cursors WHERE name = 'hours:default'"
        )

    roll_up(engine, "default")

    assert rows(query) == before


def test_an_hour_of_which_snapshots_are_still_in_redis_is_not_summed_up(
    redis: Redis, engine: Engine, drain: Drain, rows: Rows, now: int
) -> None:
    start = hour_of(now) - 3 * HOUR_MS
    lived(redis, start, 90)
    moved(drain)

    roll_up(engine, "default")

    assert len(rows("SELECT * FROM pool_hours")) == 1


def test_what_is_too_old_goes_and_snapshots_not_summed_up_stay(
    redis: Redis, engine: Engine, drain: Drain, rows: Rows, now: int
) -> None:
    config = Settings(snapshot_keep_days=2, rollup_keep_days=5)
    lived(redis, hour_of(now) - 6 * DAY_MS, 6 * 24 * 60, step=30)
    moved(drain)

    early = prune(engine, config, now_ms=now, going=lambda: True)
    while roll_up(engine, "default").more:
        pass
    done = prune(engine, config, now_ms=now, going=lambda: True)
    again = prune(engine, config, now_ms=now, going=lambda: True)

    assert early == Pruned()
    assert done.snapshots == pytest.approx(4 * 48, abs=2)
    assert done.hours == pytest.approx(24, abs=1)
    assert again == Pruned()
    left = rows("SELECT count(*) AS n FROM pool_snapshots")
    assert left[0]["n"] == pytest.approx(2 * 48, abs=4)


def test_what_was_counted_while_no_snapshot_was_taken_is_not_lost(
    redis: Redis, engine: Engine, drain: Drain, rows: Rows, now: int
) -> None:
    config = Settings(snapshot_keep_days=2, rollup_keep_days=50)
    again = hour_of(now) - HOUR_MS

    def sum_up() -> None:
        moved(drain)
        while roll_up(engine, "default").more:
            pass

    def counted(requests: int, at_ms: int) -> None:
        figures = replace(FIGURES, totals=Totals(requests=requests))
        redis.xadd(snapshots_of("default"), {"json": figures.dump()}, id=f"{at_ms}-1")

    lived(redis, hour_of(now) - 10 * DAY_MS, 120)
    sum_up()
    counted(1_000_000, again)
    sum_up()
    done = prune(engine, config, now_ms=now, going=lambda: True)
    counted(1_000_000, hour_of(now))
    sum_up()

    assert done.snapshots == 119
    hours = rows("SELECT requests FROM pool_hours ORDER BY at")
    assert [one["requests"] for one in hours] == [590, 600, 1_000_000 - 1190]


def test_each_kind_has_its_own_time(engine: Engine, rows: Rows, now: int) -> None:
    config = Settings(audit_keep_days=3, closed_keep_days=10, checkpoint_keep_hours=1)
    key = {"pool": "default", "seq": 0, "item": 0, "session": "s", "proxy": "p"}
    with Session(engine) as session, session.begin():
        for age in (1, 5, 20):
            ms = now - age * DAY_MS
            event = {"at": utc(ms), "event": "created", "details": {}}
            ended = {"created": utc(ms), "closed": utc(ms), "reason": "idle"}
            counts = {"requests": 1, "failovers": 0, "bytes": 0}
            insert(session, AuditRow, [{**key, "ms": ms, **event}])
            insert(session, ClosedRow, [{**key, "ms": ms, **ended, **counts}])

    done = prune(engine, config, now_ms=now, going=lambda: True)

    assert (done.audit, done.closed) == (2, 1)


def test_forgetting_stops_when_its_time_is_over_and_goes_on_later(
    redis: Redis, engine: Engine, store: HistoryStore, drain: Drain, now: int
) -> None:
    config = Settings(snapshot_keep_days=1)
    for n in range(1200):
        figures = SystemFigures(at_ms=0, memory_bytes=1, memory_limit_bytes=0)
        redis.xadd(snapshots_of(None), {"json": figures.dump()}, id=f"{1000 + n}-1")
    while drain.system().more:
        pass

    done = prune(engine, config, now_ms=now, going=lambda: False)
    then = prune(engine, config, now_ms=now, going=lambda: True)

    assert done == Pruned(snapshots=500, more=True)
    assert then == Pruned(snapshots=700)


def test_a_week_is_of_hours_and_a_day_of_five_minutes(
    redis: Redis, engine: Engine, store: HistoryStore, drain: Drain, now: int
) -> None:
    start = hour_of(now) - 30 * HOUR_MS
    minutes = (now - start) // MINUTE_MS + 1
    lived(redis, start, minutes)
    moved(drain)
    while roll_up(engine, "default").more:
        pass
    history = History(store, engine)

    day, week = (history.pool("default", span) for span in (Span.DAY, Span.WEEK))

    assert 287 <= len(day) <= 289
    assert {point.samples for point in day[1:-1]} == {5}
    assert {point.requests for point in day[1:-1]} == {50}
    # 30 of them are over, and the last is not.
    assert 30 <= len(week) <= 31
    assert sum(point.requests for point in week) == 10 * (minutes - 1)
    assert all(point.response.p50 > 75 for point in week)


def test_a_point_of_the_day_after_one_that_a_page_has(
    redis: Redis, engine: Engine, store: HistoryStore, drain: Drain, now: int
) -> None:
    lived(redis, now - 3 * HOUR_MS, 3 * 60)
    moved(drain)
    history = History(store, engine)
    points = history.pool("default", Span.DAY)

    later = history.pool("default", Span.DAY, after_ms=round(points[-3].at * 1000))

    assert [point.at for point in later] == [point.at for point in points[-2:]]
