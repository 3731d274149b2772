"""A pool, its history in Redis, and both databases."""

from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from sqlalchemy import Engine, text
from sqlmodel import SQLModel

from history.checkpoint import Checkpoints
from history.drain import Drain
from history.names import Names
from history.restore import Restorer
from history.store import HistoryStore
from limpet import database, schema
from limpet.sealing import Sealer
from limpet.settings import Settings
from proxies import Outcome, ProxyPool
from sessions import SessionManager
from tests.conftest import RECORDS
from tests.databases import config, postgres

__all__ = ["config", "postgres"]


@pytest.fixture
def engine(config: Settings) -> Iterator[Engine]:
    """An empty history of this version's shape."""
    schema.upgrade(config)
    made = database.engine(config.sql_url)
    with made.begin() as connection:
        for table in reversed(SQLModel.metadata.sorted_tables):
            connection.execute(table.delete())
    yield made
    if made.dialect.name == "sqlite":
        made.dispose()


@pytest.fixture
def store(redis: Redis) -> HistoryStore:
    return HistoryStore(redis)


@pytest.fixture
def drain(store: HistoryStore, engine: Engine) -> Drain:
    return Drain(store, engine, Names())


Rows = Callable[[str], list[dict[str, object]]]


@pytest.fixture
def rows(engine: Engine) -> Rows:
    """Read what a table holds, the oldest first."""

    def read(query: str) -> list[dict[str, object]]:
        with engine.connect() as connection:
            found = connection.execute(text(query)).mappings()
            return [dict(one) for one in found]

    return read


def use(manager: SessionManager, session: str | None, **said: object) -> str:
    """Make one request with a session; return its proxy."""
    lease = manager.acquire(session, hold=30)
    manager.release(lease, Outcome.OK, **said)  # type: ignore[arg-type] # a test's
    return lease.proxy.id


def everything(drain: Drain) -> int:
    moved = 0
    while (done := drain.audit("default")).entries:
        moved += done.entries
    return moved


@pytest.fixture
def checkpoints(store: HistoryStore, engine: Engine) -> Checkpoints:
    return Checkpoints(store, engine, Names(), Sealer())


@pytest.fixture
def restorer(store: HistoryStore, engine: Engine) -> Restorer:
    return Restorer(store, engine, Sealer(), Names())


def copy_all(checkpoints: Checkpoints) -> int:
    written, more = 0, True
    while more:
        step = checkpoints.step("default")
        written, more = written + step.written, step.more
    return written


def lose_everything(redis: Redis, pool: ProxyPool) -> None:
    redis.flushall()
    pool.publish(RECORDS)
