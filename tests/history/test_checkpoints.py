"""Sessions that Redis loses come back from SQL as they were."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from cryptography.fernet import Fernet
from redis import Redis
from sqlalchemy import Engine

from history.checkpoint import Checkpoints, Copied
from history.drain import Drain
from history.names import Names
from history.restore import Restoration, Restorer
from history.store import HistoryStore
from history.tables import checkpoints as tables
from limpet.errors import ConfigurationError
from limpet.keys import Keys
from limpet.sealing import Sealer
from proxies import ProxyPool
from sessions import SessionManager, Sticky
from tests.conftest import RECORDS
from tests.history.conftest import Rows, copy_all, lose_everything, use

KEYS = Keys("default")
COOKIES = [{"name": "sid", "value": "C00kieS3cret", "domain": "shop.test", "path": "/"}]
Managers = Callable[..., SessionManager]


def seen(manager: SessionManager) -> dict[str, dict[str, Any]]:
    """All that can be seen of the sessions, and what they carry."""
    found = {}
    for info in manager.all():
        state = manager.state(info.session)
        assert state is not None
        # Of a state that was never written the version is another in each Redis.
        version = {"version": info.state_version}
        found[info.session] = {**info._asdict(), **asdict(state), **version}
    return found


def test_after_redis_lost_all_sessions_are_what_they_were(
    manager_of: Managers,
    pool: ProxyPool,
    redis: Redis,
    checkpoints: Checkpoints,
    restorer: Restorer,
) -> None:
    manager = manager_of()
    for n in range(30):
        use(manager, f"s{n}", patch={"cookies": COOKIES}, size=n, elapsed=0.1)
    manager.migrate("s7", next(r.id for r in RECORDS if r.id != _proxy(manager, "s7")))
    use(manager_of(sticky=Sticky.HARD, max_requests=9, pooled=True), "hard")
    before = seen(manager)
    copy_all(checkpoints)
    lose_everything(redis, pool)

    done = restorer.restore(manager)

    assert done == Restoration(restored=31)
    after = seen(manager)
    assert after["s7"]["generation"] == 2
    assert after == before
    lease = manager.acquire("s3", hold=30)
    assert (lease.proxy.id, lease.state.cookies) == (before["s3"]["proxy"], COOKIES)


def _proxy(manager: SessionManager, session: str) -> str:
    info = manager.get(session)
    assert info is not None
    return info.proxy


def test_what_has_not_changed_is_not_written_again(
    manager: SessionManager, checkpoints: Checkpoints, rows: Rows
) -> None:
    for n in range(120):
        use(manager, f"s{n}", patch={"cookies": COOKIES})
    first = copy_all(checkpoints)
    use(manager, "s5", patch={"cookies": []})
    use(manager, "s6")

    then, again = copy_all(checkpoints), copy_all(checkpoints)

    assert (first, then, again) == (120, 2, 0)
    states = rows("SELECT session, state FROM session_checkpoints")
    kept = {row["session"]: bytes(row["state"]) for row in states}  # type: ignore[call-overload] # of SQL
    assert b"C00kie" not in kept["s5"]
    # Its use changed no cookie, so none was sent, and those that were kept stay.
    assert kept["s6"] == kept["s7"]


def test_a_session_that_lives_is_never_changed(
    manager: SessionManager, checkpoints: Checkpoints, restorer: Restorer
) -> None:
    use(manager, "s", patch={"cookies": COOKIES})
    copy_all(checkpoints)
    use(manager, "s", patch={"cookies": []})
    before = seen(manager)

    done = restorer.restore(manager)

    assert done == Restoration(there=1)
    assert seen(manager) == before


def test_what_is_too_old_stays_away(
    manager_of: Managers,
    pool: ProxyPool,
    redis: Redis,
    checkpoints: Checkpoints,
    restorer: Restorer,
    engine: Engine,
) -> None:
    manager = manager_of()
    use(manager, "old")
    use(manager, "young")
    copy_all(checkpoints)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE session_checkpoints SET expires = '2020-01-01 00:00:00' "
            "WHERE session = 'old'"
        )
    lose_everything(redis, pool)

    done = restorer.restore(manager)

    assert done == Restoration(restored=1, too_old=1)
    assert set(seen(manager)) == {"young"}


def test_a_session_that_ended_after_it_was_copied_does_not_come_back(
    manager: SessionManager,
    pool: ProxyPool,
    redis: Redis,
    checkpoints: Checkpoints,
    restorer: Restorer,
    drain: Drain,
) -> None:
    use(manager, "ended")
    use(manager, "begun-again")
    copy_all(checkpoints)
    for name in ("ended", "begun-again"):
        manager.close(name)
    drain.audit("default")
    use(manager, "begun-again")
    copy_all(checkpoints)
    lose_everything(redis, pool)

    done = restorer.restore(manager)

    assert done == Restoration(restored=1, ended=1)
    assert set(seen(manager)) == {"begun-again"}


def test_a_dry_run_changes_nothing(
    manager: SessionManager,
    pool: ProxyPool,
    redis: Redis,
    checkpoints: Checkpoints,
    restorer: Restorer,
) -> None:
    for name in ("a", "b"):
        use(manager, name)
    copy_all(checkpoints)
    lose_everything(redis, pool)
    use(manager, "a")

    done = restorer.restore(manager, dry=True)

    assert done == Restoration(restored=1, there=1)
    assert set(seen(manager)) == {"a"}


def test_without_its_proxy_a_session_comes_back_at_another_and_without_any_not(
    manager: SessionManager,
    pool: ProxyPool,
    redis: Redis,
    checkpoints: Checkpoints,
    restorer: Restorer,
) -> None:
    gone = use(manager, "s")
    copy_all(checkpoints)
    redis.flushall()

    homeless = restorer.restore(manager)
    pool.publish([record for record in RECORDS if record.id != gone])
    moved = restorer.restore(manager)

    assert homeless == Restoration(homeless=1)
    assert moved == Restoration(restored=1, moved=1)


def test_a_sealed_state_is_sealed_in_sql_and_a_hashed_name_too(
    manager_of: Managers,
    pool: ProxyPool,
    redis: Redis,
    store: HistoryStore,
    engine: Engine,
    rows: Rows,
) -> None:
    sealer, names = Sealer([Fernet.generate_key().decode()]), Names(16 * "k")
    manager = manager_of(sealer=sealer)
    use(manager, "user-42@shop.test", patch={"cookies": COOKIES})
    copy_all(Checkpoints(store, engine, names, sealer))
    before = seen(manager)
    lose_everything(redis, pool)

    stranger = Restorer(store, engine, Sealer(), names).restore(manager)
    done = Restorer(store, engine, sealer, names).restore(manager)

    text = str(rows("SELECT * FROM session_checkpoints"))
    assert [word for word in ("C00kieS3cret", "user-42") if word in text] == []
    assert stranger == Restoration(unreadable=1)
    assert done == Restoration(restored=1)
    assert seen(manager) == before


def test_hashed_names_need_a_key_that_seals_the_real_ones(
    store: HistoryStore, engine: Engine
) -> None:
    with pytest.raises(ConfigurationError, match="LIMPET_HISTORY_HASH_KEY: needs"):
        Checkpoints(store, engine, Names("16 characters and more"), Sealer())


def test_a_walk_goes_on_where_the_last_one_stopped(
    manager: SessionManager,
    checkpoints: Checkpoints,
    store: HistoryStore,
    engine: Engine,
) -> None:
    for n in range(700):
        use(manager, f"s{n}")

    first = checkpoints.step("default")
    another = Checkpoints(store, engine, Names(), Sealer())
    rest = copy_all(another)

    assert first.more
    assert 0 < first.written < 700
    assert first.written + rest == 700


def test_a_checkpoint_that_dies_between_its_steps_is_done_again(
    manager: SessionManager,
    checkpoints: Checkpoints,
    engine: Engine,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(manager, "s")

    write = tables.write

    def dies(*told: Any) -> None:
        write(*told)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tables, "write", dies)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.step("default")

    assert rows("SELECT * FROM session_checkpoints") == []
    assert checkpoints.step("default") == Copied(1, 1, more=False)
    assert len(rows("SELECT * FROM session_checkpoints")) == 1


def test_sessions_of_one_job_and_expired_ones_are_not_copied(
    manager: SessionManager, redis: Redis, checkpoints: Checkpoints
) -> None:
    manager.acquire(None, hold=30)
    use(manager, "over")
    redis.hset(KEYS.session("over"), "x", 1)

    assert copy_all(checkpoints) == 0
