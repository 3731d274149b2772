"""A restore after ids began to be hashed, or are hashed otherwise."""

from collections.abc import Callable
from itertools import permutations

import pytest
from cryptography.fernet import Fernet
from redis import Redis
from sqlalchemy import Engine

from history.checkpoint import Checkpoints
from history.drain import Drain
from history.names import Names
from history.restore import Restoration, Restorer
from history.store import HistoryStore
from limpet.sealing import Sealer
from proxies import ProxyPool
from sessions import SessionManager
from tests.conftest import RECORDS
from tests.history.conftest import everything, use

#: No key, one, and another one.
KEYS = {
    "plain": Names(),
    "hashed": Names("a key of enough characters"),
    "anew": Names("another key, as long as that"),
}
CHANGES = list(permutations(KEYS, 2))


@pytest.fixture
def sealer() -> Sealer:
    return Sealer([Fernet.generate_key().decode()])


@pytest.fixture
def manager(
    manager_of: Callable[..., SessionManager], sealer: Sealer
) -> SessionManager:
    return manager_of(sealer=sealer)


class Sql:
    """The history, under whatever key there is."""

    def __init__(self, redis: Redis, engine: Engine, sealer: Sealer) -> None:
        self._store = HistoryStore(redis)
        self._engine = engine
        self._sealer = sealer

    def copy(self, key: str) -> None:
        kept = Checkpoints(self._store, self._engine, KEYS[key], self._sealer)
        while kept.step("default").more:
            pass

    def drain(self, key: str) -> None:
        everything(Drain(self._store, self._engine, KEYS[key]))

    def restore(self, manager: SessionManager, key: str) -> Restoration:
        restorer = Restorer(self._store, self._engine, self._sealer, KEYS[key])
        return restorer.restore(manager)


@pytest.fixture
def sql(redis: Redis, engine: Engine, sealer: Sealer) -> Sql:
    return Sql(redis, engine, sealer)


def lose(redis: Redis, pool: ProxyPool) -> None:
    redis.flushall()
    pool.publish(RECORDS)


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_what_ended_under_another_name_stays_away(
    manager: SessionManager,
    pool: ProxyPool,
    redis: Redis,
    sql: Sql,
    before: str,
    after: str,
) -> None:
    for name in ("ends", "lives"):
        use(manager, name)
    sql.copy(before)
    manager.close("ends")
    sql.drain(after)
    lose(redis, pool)

    done = sql.restore(manager, after)

    assert done == Restoration(restored=1, ended=1)
    assert [one.session for one in manager.all()] == ["lives"]


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_the_newest_of_two_copies_comes_back(
    manager: SessionManager,
    pool: ProxyPool,
    redis: Redis,
    sql: Sql,
    before: str,
    after: str,
) -> None:
    names = [f"s{n}" for n in range(20)]
    for name in names:
        use(manager, name, patch={"user_agent": "old"})
    sql.copy(before)
    for name in names:
        use(manager, name, patch={"user_agent": "new"})
    sql.copy(after)
    lose(redis, pool)

    done = sql.restore(manager, after)

    assert done == Restoration(restored=20, outdated=20)
    states = [manager.state(name) for name in names]
    assert {one.user_agent for one in states if one} == {"new"}


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_an_end_that_was_written_late_under_the_old_name_is_found(
    manager: SessionManager,
    pool: ProxyPool,
    redis: Redis,
    sql: Sql,
    before: str,
    after: str,
) -> None:
    use(manager, "s")
    sql.copy(before)
    use(manager, "s", patch={"user_agent": "new"})
    sql.copy(after)
    manager.close("s")
    # By a worker that has the old key yet.
    sql.drain(before)
    lose(redis, pool)

    done = sql.restore(manager, after)

    assert (done.restored, done.ended) == (0, 2)


def test_an_end_under_a_key_that_is_no_more_is_found_by_the_copies_of_that_key(
    manager: SessionManager, pool: ProxyPool, redis: Redis, sql: Sql
) -> None:
    use(manager, "s")
    sql.copy("plain")
    sql.copy("hashed")
    manager.close("s")
    sql.drain("hashed")
    lose(redis, pool)

    done = sql.restore(manager, "anew")

    assert (done.restored, done.ended) == (0, 2)


def test_a_session_that_began_again_is_not_taken_for_the_one_that_ended(
    manager: SessionManager, pool: ProxyPool, redis: Redis, sql: Sql
) -> None:
    use(manager, "s")
    sql.copy("plain")
    manager.close("s")
    sql.drain("hashed")
    use(manager, "s", patch={"user_agent": "again"})
    sql.copy("hashed")
    lose(redis, pool)

    done = sql.restore(manager, "hashed")

    assert done == Restoration(restored=1, ended=1)
    state = manager.state("s")
    assert state is not None
    assert state.user_agent == "again"


def test_a_copy_that_is_the_only_one_comes_back_whatever_it_is_called(
    manager: SessionManager, pool: ProxyPool, redis: Redis, sql: Sql
) -> None:
    use(manager, "s")
    sql.copy("hashed")
    lose(redis, pool)

    assert sql.restore(manager, "anew") == Restoration(restored=1)
