"""Races in a pool of several shards, and shards that have no proxy."""

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from limpet.errors import (
    ConfigurationError,
    NoProxyAvailable,
)
from limpet.settings import Settings
from limpet.shards import shard_of
from proxies import Outcome, ProxyPool
from sessions import open_pool
from tests.sessions.shards.conftest import (
    HOT,
    SETTINGS,
    SHARDS,
    many,
    proxies_of,
)

if TYPE_CHECKING:
    from tests.sessions.conftest import Server


_RACE = """
import sys
from limpet.connection import connect
from limpet.settings import Settings
from sessions import SessionPolicy, open_pool

def work(number):
    client = connect(sys.argv[1], cluster=sys.argv[2] == "1")
    settings = Settings(_env_file=None, pool_shards=sys.argv[4])
    manager = open_pool(client, "hot", settings)
    policy, seen = SessionPolicy(max_leases=16), []
    for n in range(50):
        if n % 10 == 0:
            barrier.wait()
        lease = manager.acquire(f"s{n}", hold=60, policy=policy)
        seen.append([lease.proxy.id, lease.generation, lease.created])
    return seen
"""


def test_sixteen_processes_that_race_for_a_new_session_agree_on_its_proxy(
    server: "Server", client: Redis
) -> None:
    seen = server.crew(_RACE, 16, SETTINGS.pool_shards)

    for n, of_one in enumerate(zip(*seen, strict=True)):
        assert len({(proxy, generation) for proxy, generation, _ in of_one}) == 1, n
        assert sum(created for _, _, created in of_one) == 1


def test_a_session_moves_within_its_shard(client: Redis, proxies: ProxyPool) -> None:
    once = Settings(
        _env_file=None, pool_shards=SETTINGS.pool_shards, proxy_max_failures=1
    )
    hot = open_pool(client, "hot", once)
    lease = hot.acquire("s", hold=30)
    hot.release(lease, Outcome.FAULT)

    moved = hot.acquire("s", hold=30)

    assert moved.moved
    shards = {shard_of(one.proxy.id, SHARDS) for one in (lease, moved)}
    assert shards == {shard_of("s", SHARDS)}
    assert proxies.census(100).states["unhealthy"] == 1


def test_a_shard_without_proxies_is_named_where_others_have_some(
    server: "Server",
) -> None:
    some = [one for one in HOT if shard_of(one.id, SHARDS) != 3]
    proxies = proxies_of(server.client)
    proxies.require_proxies()  # none at all: nothing was imported yet
    proxies.publish(some)

    with pytest.raises(
        ConfigurationError, match=rf"hot has 5 shards and {len(some)} .* hot#3"
    ):
        proxies.require_proxies()
    lost = next(name for name in many(99) if shard_of(name, SHARDS) == 3)
    with pytest.raises(NoProxyAvailable):
        open_pool(server.client, "hot", SETTINGS).acquire(lost, hold=30)
    proxies.publish(HOT)
    proxies.require_proxies()


def test_a_pool_without_proxies_of_its_own_goes_out_from_each_shard(
    server: "Server",
) -> None:
    direct = Settings(
        _env_file=None, pool_shards=SETTINGS.pool_shards, direct_pools="hot"
    )
    manager = open_pool(server.client, "hot", direct)
    leases = [manager.acquire(name, hold=30) for name in many(30)]
    proxies = manager._proxies

    census, stats = proxies.census(100), manager.stats()

    assert all(lease.proxy.direct for lease in leases)
    assert (census.states, census.sessions_max) == ({"unknown": 1}, 30)
    assert (stats.proxies_up, stats.sessions) == (1, 30)
