"""Events go to SQL exactly once, and sessions that ended leave a row."""

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine

from history import events
from history.drain import Drain, Drained
from history.names import Names
from history.store import HistoryStore, audit_of
from history.tables import AuditRow
from history.tables.cursor import moving, position
from history.tables.writing import insert
from limpet import database
from limpet.connection import connect
from limpet.errors import StoreUnavailable
from limpet.keys import Keys
from sessions import SessionManager
from tests.history.conftest import Rows, everything, use

KEYS = Keys("default")
STREAM = audit_of("default")
COUNT = "SELECT count(*) AS n FROM audit_events"


def test_what_was_drained_is_not_drained_again(
    manager: SessionManager, drain: Drain, rows: Rows
) -> None:
    for n in range(5):
        use(manager, f"s{n}")

    first, again = everything(drain), everything(drain)

    assert (first, again) == (5, 0)
    assert rows(COUNT) == [{"n": 5}]


def test_an_event_that_is_no_text_keeps_no_other_from_sql(
    manager: SessionManager, drain: Drain, rows: Rows, redis: Redis
) -> None:
    ended = [b"[", b'[["\xff"]]', b'[["p","1",0,"x",{},null,[],"9e999","s"]]']
    for one in ended:
        redis.xadd(STREAM, {"event": "closed", "session": b"\xff", "ended": one})
    use(manager, "after")

    assert everything(drain) == len(ended) + 1
    found = rows("SELECT session FROM audit_events ORDER BY ms DESC, seq DESC")
    assert found[0] == {"session": "after"}


def test_an_event_with_a_number_beyond_all_keeps_no_other_from_sql(
    manager: SessionManager, drain: Drain, rows: Rows, redis: Redis
) -> None:
    redis.xadd(STREAM, {"event": "closed"}, id="1-18446744073709551615")
    use(manager, "after")

    assert everything(drain) == 2
    assert rows("SELECT session FROM audit_events") == [{"session": "after"}]


def test_a_crash_before_the_cursor_moves_writes_nothing(
    manager: SessionManager, engine: Engine, drain: Drain, rows: Rows
) -> None:
    use(manager, "s")
    entries = [("1-1", {"event": "created", "session": "x", "proxy": "p"})]

    def half() -> None:
        with moving(engine, "audit:default", "0-0", "1-1") as session:
            insert(session, AuditRow, events.audit_rows("default", entries, Names()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()

    assert position(engine, "audit:default", "0-0") == "0-0"
    assert rows(COUNT) == [{"n": 0}]
    assert everything(drain) == 1


def test_a_crash_after_the_commit_repeats_nothing(
    manager: SessionManager,
    engine: Engine,
    drain: Drain,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for n in range(4):
        use(manager, f"s{n}")

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(HistoryStore, "trim", dies)
        with pytest.raises(KeyboardInterrupt):
            drain.audit("default")

    assert rows(COUNT) == [{"n": 4}]
    assert everything(drain) == 0
    assert rows(COUNT) == [{"n": 4}]


def _drain(redis_port: int, url: str, number: int) -> int:
    store = HistoryStore(connect(f"redis://127.0.0.1:{redis_port}/1"))
    drain = Drain(store, database.engine(url), Names())
    if not number:
        # This one dies at its second batch, wherever it is.
        drain.audit("default")
        os.kill(os.getpid(), signal.SIGKILL)
    return everything(drain)


def test_drainers_that_race_and_one_that_is_killed_write_each_event_once(
    redis: Redis, redis_port: int, engine: Engine, config: object, rows: Rows
) -> None:
    for n in range(4000):
        redis.xadd(STREAM, {"event": "created", "session": f"s{n}", "proxy": "p"})
    url = engine.url.render_as_string(hide_password=False)
    spawn = multiprocessing.get_context("spawn")
    killed = spawn.Process(target=_drain, args=(redis_port, url, 0))

    with ProcessPoolExecutor(2, mp_context=spawn) as crew:
        jobs = [crew.submit(_drain, redis_port, url, n) for n in (1, 2)]
        killed.start()
        moved = sum(job.result(60) for job in jobs)
    killed.join()

    assert killed.exitcode == -signal.SIGKILL
    assert moved <= 4000
    assert rows(COUNT) == [{"n": 4000}]
    sessions = rows("SELECT DISTINCT session FROM audit_events")
    assert len(sessions) == 4000


def test_events_that_a_full_stream_dropped_are_missed_loudly(
    manager: SessionManager,
    redis: Redis,
    drain: Drain,
    rows: Rows,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use(manager, "before")
    everything(drain)
    for n in range(10):
        redis.xadd(STREAM, {"event": "created", "session": f"s{n}", "proxy": "p"})
    redis.xtrim(STREAM, maxlen=3, approximate=False)

    done = drain.audit("default")
    then = drain.audit("default")

    assert (done, then) == (Drained(3, gap=True), Drained(0))
    assert "history_lost" in capsys.readouterr().out
    assert manager.stats().counters["audit_gaps"] == 1
    [gap] = rows("SELECT session, details FROM audit_events WHERE event = 'gap'")
    assert gap["session"] is None


def test_a_stream_is_trimmed_behind_what_was_drained_only(
    redis: Redis, store: HistoryStore, drain: Drain
) -> None:
    old = [redis.xadd(STREAM, {"event": "x"}, id=f"{n}-1") for n in range(1, 2001)]

    moved = everything(drain)

    assert moved == len(old)
    # The last one stays: it shows that nothing is missing after it.
    last: Any = redis.xrevrange(STREAM, count=1)
    assert last[0][0] == b"2000-1"
    assert redis.xlen(STREAM) < 200
    redis.xadd(STREAM, {"event": "y"})
    assert drain.audit("default") == Drained(1)


def test_a_redis_that_lost_all_and_whose_clock_is_behind_is_read_from_its_start(
    redis: Redis, drain: Drain, rows: Rows
) -> None:
    redis.xadd(STREAM, {"event": "x"}, id="9999999999999-1")
    everything(drain)
    redis.delete(STREAM)
    redis.xadd(STREAM, {"event": "y"}, id="5-1")

    assert everything(drain) == 1
    found = rows("SELECT event FROM audit_events ORDER BY ms")
    assert [row["event"] for row in found] == ["y", "x"]


def test_while_sql_is_away_events_stay_in_redis(
    manager: SessionManager, store: HistoryStore, drain: Drain, rows: Rows
) -> None:
    use(manager, "s")
    away = database.engine("sqlite:////nowhere/at/all.db")

    with pytest.raises(StoreUnavailable):
        Drain(store, away, Names()).audit("default")

    assert everything(drain) == 1
