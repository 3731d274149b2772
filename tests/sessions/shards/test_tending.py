"""A pool of several shards is tended as one."""

import time
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from limpet.errors import (
    PoolFull,
    SessionBusy,
)
from limpet.keys import Keys
from limpet.settings import Settings
from limpet.shards import shard_of
from proxies import ProxyPool
from sessions import Cleaner, CleanupReport, SessionManager, open_pool
from sessions.sharded import ShardedStore
from tests.sessions.shards.conftest import HOT, NAMES, SETTINGS, SHARDS, many, use

if TYPE_CHECKING:
    from tests.sessions.conftest import Server


def test_all_sessions_are_cleared(hot: SessionManager, client: Redis) -> None:
    use(hot, *many(120))

    assert sum(hot.clear(50)) == 120
    assert hot.stats().sessions == 0
    left = [key for key in client.scan_iter(count=1000) if b"}:s:" in key]
    assert left == []


def test_what_is_over_is_removed_from_every_shard(
    hot: SessionManager, client: Redis
) -> None:
    use(hot, *many(150))
    for name in many(100):
        keys = Keys(NAMES[shard_of(name, SHARDS)])
        client.hset(keys.session(name), "x", 1)
        client.zadd(keys.expiry, {name: 1})
    report = CleanupReport()

    Cleaner(hot, hot._store, lambda: True).expire(40, report)

    assert report.by_reason == {"idle": 100}
    assert (hot.stats().sessions, hot.stats().expired_waiting) == (50, 0)


def test_leases_of_the_dead_are_settled_in_every_shard(
    server: "Server", proxies: ProxyPool
) -> None:
    proxies.publish(HOT)
    manager = SessionManager(
        "hot", ShardedStore(server.client, "hot", SHARDS), proxies, margin=0
    )
    for name in many(40):
        manager.acquire(name, hold=0.001)
    report = CleanupReport()

    Cleaner(manager, ShardedStore(server.client, "hot", SHARDS), lambda: True).settle(
        10, report
    )

    assert report.leases > 0
    assert manager.stats().counters["lost_leases"] == 40
    assert manager.stats().leases == 0


def test_memory_is_freed_where_sessions_are_oldest(
    hot: SessionManager, client: Redis
) -> None:
    names = many(200)
    use(hot, *names, patch={"user_agent": "x" * 300})
    for rank, name in enumerate(names):
        keys = Keys(NAMES[shard_of(name, SHARDS)])
        at = round(time.time() * 1000) + 60_000 + rank
        client.hset(keys.session(name), "x", at)
        client.zadd(keys.expiry, {name: at})
    held = [hot.acquire(name, hold=30).session for name in names[:10]]
    cleaner = Cleaner(hot, hot._store, lambda: True)
    memory, report = cleaner.memory(), CleanupReport()

    cleaner.evict(60 * memory.each, report)

    left = {info.session for info in hot.all()}
    assert memory.sessions == 200
    assert 300 < memory.each < 3000
    assert report.removed == pytest.approx(60, abs=2 * SHARDS)
    assert left > set(held)
    assert left > set(names[110:])


def test_a_pool_has_no_more_sessions_than_it_may(client: Redis) -> None:
    few = Settings(
        _env_file=None, pool_shards=SETTINGS.pool_shards, pool_max_sessions=20
    )
    hot = open_pool(client, "hot", few)
    made, refused = 0, []
    for name in many(100):
        try:
            hot.acquire(name, hold=30)
            made += 1
        except PoolFull as error:
            refused.append(str(error))

    assert made == 20
    assert all("20" in text for text in refused)


def test_warm_sessions_are_lent_from_any_shard(hot: SessionManager) -> None:
    names = hot.warm(12)

    lent = [hot.borrow(hold=30).session for _ in names]

    assert sorted(lent) == sorted(names)
    with pytest.raises(SessionBusy):
        hot.borrow(hold=30)
