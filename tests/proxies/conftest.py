"""What the tests of proxies share."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from redis import Redis

from proxies import HealthPolicy, ProxyPool, ProxyRecord, Selection
from proxies.store import ProxyStore
from proxies.strategies import strategies
from sessions import SessionManager
from sessions.store import SessionStore
from tests.proxies.pools import Pools


@pytest.fixture
def pool_of(redis: Redis) -> Pools:
    """Make a pool of these records, and the manager of its sessions."""

    def make(
        records: Sequence[ProxyRecord],
        *,
        strategy: str = "round_robin",
        own: Path | None = None,
        health: HealthPolicy | None = None,
    ) -> tuple[ProxyPool, SessionManager]:
        pool = ProxyPool(ProxyStore(redis, "eu"), health=health)
        pool.publish(records)
        store = SessionStore(redis, "eu", sources=strategies(own), health=health)
        return pool, SessionManager("eu", store, pool, selection=Selection(strategy))

    return make
