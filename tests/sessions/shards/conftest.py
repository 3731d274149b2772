"""A pool of five shards, on each kind of server."""

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from limpet.settings import Settings
from limpet.shards import shard_names
from proxies import Outcome, Proxy, ProxyPool, ProxyRecord
from proxies.sharded import ShardedProxies
from sessions import SessionManager, open_pool

if TYPE_CHECKING:
    from tests.sessions.conftest import Server

SHARDS = 5
NAMES = shard_names("hot", SHARDS)
HOT = [ProxyRecord(Proxy("http", f"10.9.0.{n}", 8080)) for n in range(40)]
SETTINGS = Settings(_env_file=None, pool_shards=f"hot={SHARDS}")


def proxies_of(client: Redis) -> ProxyPool:
    return ProxyPool(ShardedProxies(client, "hot", SHARDS))


@pytest.fixture
def client(server: "Server") -> Redis:
    """A server that has the pool's proxies."""
    proxies_of(server.client).publish(HOT)
    return server.client


@pytest.fixture
def hot(client: Redis) -> SessionManager:
    return open_pool(client, "hot", SETTINGS)


@pytest.fixture
def proxies(client: Redis) -> ProxyPool:
    return proxies_of(client)


def use(manager: SessionManager, *names: str, **said: object) -> dict[str, str]:
    """Make one request with each session; return their proxies."""
    found = {}
    for name in names:
        lease = manager.acquire(name, hold=30)
        manager.release(lease, Outcome.OK, **said)  # type: ignore[arg-type] # a test's
        found[name] = lease.proxy.id
    return found


def many(count: int) -> list[str]:
    return [f"s{n:03}" for n in range(count)]
