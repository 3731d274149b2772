"""Put the manager of a pool together, as the settings say."""

from redis import Redis

from limpet.errors import ConfigurationError
from limpet.sealing import Sealer
from limpet.settings import Settings
from proxies import DIRECT, HealthPolicy, ProxyPool, Selection
from proxies.store import ProxyStore
from proxies.strategies import strategies
from sessions.manager import SessionManager
from sessions.session import SessionPolicy
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
    """Return the proxies of *pool*; those of a direct pool are made known."""
    direct = pool in settings.direct_pools.split(",")
    proxies = ProxyPool(
        ProxyStore(client, pool),
        sealer=Sealer.of(settings),
        health=HealthPolicy.of(settings),
        direct=direct,
    )
    if direct:
        proxies.publish([DIRECT])
    return proxies


def open_pool(client: Redis, pool: str, settings: Settings) -> SessionManager:
    """Return the sessions of *pool*.

    Raises:
        ConfigurationError: a key or a strategy cannot be used.
        StoreUnavailable: a direct pool could not be made known.
    """
    store = SessionStore(
        client,
        pool,
        health=HealthPolicy.of(settings),
        sources=strategies(settings.strategies_dir),
        max_errors=settings.session_max_errors,
    )
    return SessionManager(
        pool,
        store,
        open_proxies(client, pool, settings),
        policy=SessionPolicy.of(settings),
        selection=Selection(settings.proxy_strategy),
        sealer=Sealer.of(settings),
    )
