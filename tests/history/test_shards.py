"""The history of a pool that lies in several shards is that of one pool."""

import pytest
from redis import Redis
from sqlalchemy import Engine

from history.checkpoint import Checkpoints
from history.drain import Drain
from history.names import Names
from history.restore import Restorer
from history.snapshots import Snapshots
from history.store import HistoryStore
from limpet.keys import Keys
from limpet.sealing import Sealer
from limpet.settings import Settings
from limpet.shards import shard_names, shard_of
from proxies import Proxy, ProxyPool, ProxyRecord
from sessions import SessionManager, open_pool, open_proxies
from tests.history.conftest import Rows, use

SHARDS = 4
SETTINGS = Settings(_env_file=None, pool_shards=f"hot={SHARDS}")
HOT = [ProxyRecord(Proxy("http", f"10.9.2.{n}", 8080)) for n in range(40)]
NAMES = [f"s{n:02}" for n in range(60)]


@pytest.fixture
def proxies(redis: Redis) -> ProxyPool:
    made = open_proxies(redis, "hot", SETTINGS)
    made.publish(HOT)
    return made


@pytest.fixture
def hot(redis: Redis, proxies: ProxyPool) -> SessionManager:
    assert proxies.census(1).states
    return open_pool(redis, "hot", SETTINGS)


@pytest.fixture
def store(redis: Redis) -> HistoryStore:
    return HistoryStore(redis, SETTINGS.shards)


def test_the_events_of_all_shards_are_moved_once(
    hot: SessionManager, drain: Drain, rows: Rows, redis: Redis
) -> None:
    for name in NAMES:
        use(hot, name)

    first, then = drain.audit("hot"), drain.audit("hot")
    assert sum(hot.clear()) == len(NAMES)
    after = drain.audit("hot")

    assert (first.entries, first.more, first.gap) == (len(NAMES), False, False)
    assert then.entries == 0
    assert (after.entries, after.gap) == (len(NAMES), False)
    made = rows("SELECT session FROM audit_events WHERE event = 'created'")
    assert sorted(str(row["session"]) for row in made) == NAMES
    closed = rows("SELECT session, pool FROM closed_sessions")
    assert sorted(str(row["session"]) for row in closed) == NAMES
    assert {row["pool"] for row in closed} == {"hot"}


def test_events_that_shards_number_alike_are_all_there(
    drain: Drain, rows: Rows, redis: Redis
) -> None:
    for shard in shard_names("hot", SHARDS):
        redis.xadd(Keys(shard).audit, {"event": "told", "proxy": shard}, id="1000-1")

    moved = drain.audit("hot").entries

    assert moved == SHARDS
    found = {row["proxy"] for row in rows("SELECT proxy FROM audit_events")}
    assert found == set(shard_names("hot", SHARDS))


def test_events_that_were_lost_in_one_shard_are_told(
    hot: SessionManager, drain: Drain, rows: Rows, redis: Redis
) -> None:
    for name in NAMES[:20]:
        use(hot, name)
    drain.audit("hot")
    lost = Keys(f"hot#{shard_of('s00', SHARDS)}").audit
    for name in NAMES[20:]:
        use(hot, name)
    redis.xtrim(lost, maxlen=1, approximate=False)

    done = drain.audit("hot")

    assert done.gap
    assert len(rows("SELECT * FROM audit_events WHERE event = 'gap'")) == 1
    assert hot.stats().counters["audit_gaps"] == 1


def test_what_somebody_does_is_among_the_events(
    hot: SessionManager, drain: Drain, store: HistoryStore, rows: Rows
) -> None:
    store.note("hot", {"event": "action", "action": "drain", "proxy": HOT[0].id})

    drain.audit("hot")

    assert len(rows("SELECT * FROM audit_events WHERE event = 'action'")) == 1
    assert hot.stats().sessions == 0


def test_sessions_that_redis_loses_come_back_to_their_shards_and_proxies(
    hot: SessionManager,
    proxies: ProxyPool,
    store: HistoryStore,
    engine: Engine,
    redis: Redis,
) -> None:
    homes = {name: use(hot, name, patch={"metadata": {"who": name}}) for name in NAMES}
    checkpoints = Checkpoints(store, engine, Names(), Sealer())
    written, more = 0, True
    while more:
        step = checkpoints.step("hot")
        written, more = written + step.written, step.more
    redis.flushall()
    proxies.publish(HOT)
    again = open_pool(redis, "hot", SETTINGS)

    done = Restorer(store, engine, Sealer(), Names()).restore(again)

    assert written == len(NAMES)
    assert (done.restored, done.moved, done.homeless) == (len(NAMES), 0, 0)
    assert {info.session: info.proxy for info in again.all()} == homes
    state = again.state("s07")
    assert state is not None
    assert state.metadata == {"who": "s07"}
    assert redis.exists(Keys(f"hot#{shard_of('s07', SHARDS)}").session("s07")) == 1


def test_a_snapshot_is_of_the_whole_pool(
    hot: SessionManager, proxies: ProxyPool, store: HistoryStore, redis: Redis
) -> None:
    for name in NAMES:
        use(hot, name, elapsed=0.1)

    figures = Snapshots(store).take(hot, proxies, {})

    assert figures.active == len(NAMES)
    assert sum(figures.proxies.values()) == len(HOT)
    assert redis.xlen(Keys("hot").snapshots) == 1
