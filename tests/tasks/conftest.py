"""Leases on the lab's own proxies."""

from collections.abc import Callable

import pytest
from redis import Redis

from proxies import Proxy, ProxyPool
from proxies.store import ProxyStore
from sessions import Lease, SessionManager, SessionPolicy
from sessions.store import SessionStore
from tasks.http import Fetcher


@pytest.fixture
def lease_on(redis: Redis) -> Callable[[Proxy], Lease]:
    """Lease a session that is bound to just this proxy."""

    def make(proxy: Proxy) -> Lease:
        pool = ProxyPool(ProxyStore(redis, proxy.id))
        pool.publish([proxy])
        store = SessionStore(redis, proxy.id, SessionPolicy())
        return SessionManager(proxy.id, store, pool).acquire("s", hold=30)

    return make


@pytest.fixture
def fetcher() -> Fetcher:
    return Fetcher(user_agent="limpet-test")
