"""What the tasks of one process share: a manager per pool, and the fetcher.

Everything is made when it is first used, so that a forked worker never inherits a
socket.
"""

from functools import cache

from limpet.connection import connect
from limpet.settings import settings
from proxies import ProxyPool
from proxies.store import ProxyStore
from sessions import SessionManager, SessionPolicy
from sessions.store import SessionStore, pool_names
from tasks.http import Fetcher


@cache
def manager(pool: str) -> SessionManager:
    """Return this process's manager of *pool*."""
    client = connect(settings().sessions_url)
    store = SessionStore(client, pool, SessionPolicy.of(settings()))
    return SessionManager(pool, store, ProxyPool(ProxyStore(client, pool)))


@cache
def fetcher() -> Fetcher:
    """Return this process's fetcher, which keeps the sessions' connections."""
    return Fetcher(user_agent=settings().user_agent)


def pools() -> list[str]:
    """Return the names of all pools."""
    return pool_names(connect(settings().sessions_url))
