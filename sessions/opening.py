"""Put the manager of a pool together, as the settings say."""

from typing import Any

from redis import Redis

from limpet.errors import ConfigurationError
from limpet.sealing import Sealer
from limpet.settings import Settings
from proxies import DIRECT, HealthPolicy, ProxyPool, Selection
from proxies.sharded import ShardedProxies
from proxies.store import ProxyStore
from proxies.strategies import strategies
from sessions.layout import Layout
from sessions.manager import SessionManager
from sessions.session import SessionPolicy
from sessions.sharded import ShardedStore
from sessions.store import SessionStore


def check(settings: Settings) -> None:
    """See at start that pools can be opened, rather than at each job.

    Raises:
        ConfigurationError: a key or a strategy cannot be used.
    """
    Sealer.of(settings)
    known = strategies(settings.strategies_dir)
    if settings.proxy_strategy not in known:
        names = ", ".join(sorted(known))
        raise ConfigurationError(f"LIMPET_PROXY_STRATEGY: must be one of {names}")


def open_proxies(client: Redis, pool: str, settings: Settings) -> ProxyPool:
    """Return the proxies of *pool*; those of a direct pool are made known.

    Raises:
        ConfigurationError: a key cannot be used, or the pool has another number of
            shards in Redis.
        StoreUnavailable: Redis cannot be asked.
    """
    direct = pool in settings.direct_pools.split(",")
    count = settings.shards.count(pool)
    Layout(client, pool).require(count)
    proxies = ProxyPool(
        ProxyStore(client, pool)
        if count == 1
        else ShardedProxies(client, pool, count, direct=direct),
        sealer=Sealer.of(settings),
        health=HealthPolicy.of(settings),
        direct=direct,
    )
    if direct:
        proxies.publish([DIRECT])
    return proxies


def open_store(client: Redis, pool: str, settings: Settings) -> SessionStore:
    """Return where the sessions of *pool* are, in as many shards as by the settings."""
    options: dict[str, Any] = {
        "health": HealthPolicy.of(settings),
        "sources": strategies(settings.strategies_dir),
        "max_errors": settings.session_max_errors,
    }
    count = settings.shards.count(pool)
    if count == 1:
        return SessionStore(client, pool, **options)
    direct = pool in settings.direct_pools.split(",")
    return ShardedStore(client, pool, count, direct=direct, **options)


def open_pool(client: Redis, pool: str, settings: Settings) -> SessionManager:
    """Return the sessions of *pool*.

    Raises:
        ConfigurationError: a key or a strategy cannot be used, or the pool has another
            number of shards in Redis.
        StoreUnavailable: Redis cannot be asked.
    """
    return SessionManager(
        pool,
        open_store(client, pool, settings),
        open_proxies(client, pool, settings),
        policy=SessionPolicy.of(settings),
        selection=Selection(settings.proxy_strategy),
        sealer=Sealer.of(settings),
    )
