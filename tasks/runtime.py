"""What the tasks of one process share: the store's connections, and the fetcher.

Everything is made when it is first used, so that a forked worker never inherits a
socket.
"""

from functools import cache

from redis import Redis
from sqlalchemy import Engine

from limpet import database
from limpet.connection import connect
from limpet.settings import settings
from proxies import ProxyPool
from proxies.store import ProxyStore
from sessions import SessionManager, SessionPolicy
from sessions.store import SessionStore, pool_names
from tasks.http import Fetcher


@cache
def _redis() -> Redis:
    return connect(settings().sessions_url)


@cache
def manager(pool: str) -> SessionManager:
    """Return this process's manager of *pool*."""
    proxies = ProxyPool(ProxyStore(_redis(), pool))
    policy = SessionPolicy.of(settings())
    return SessionManager(pool, SessionStore(_redis(), pool), proxies, policy)


@cache
def fetcher() -> Fetcher:
    """Return this process's fetcher, which keeps the sessions' connections."""
    return Fetcher(user_agent=settings().user_agent)


def pools() -> list[str]:
    """Return the names of all pools."""
    return pool_names(_redis())


def sql() -> Engine:
    """Return this process's SQL engine."""
    return database.engine(settings().sql_url)
