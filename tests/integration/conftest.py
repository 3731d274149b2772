"""Proxies for processes of ours, without the command line."""

from collections.abc import Callable

import pytest
from redis import Redis

from proxies import ProxyPool, ProxyRecord, parse_proxy
from proxies.store import ProxyStore


@pytest.fixture
def publish(redis: Redis) -> Callable[..., None]:
    """Make proxies known to the pool ``default``."""

    def make_known(*lines: str) -> None:
        records = [ProxyRecord(parse_proxy(line)) for line in lines]
        ProxyPool(ProxyStore(redis, "default")).publish(records)

    return make_known
