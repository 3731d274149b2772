"""A pool that is declared direct goes out without a proxy; no other ever does."""

import json

import pytest
from redis import Redis

from lab import Lab
from limpet.errors import ConfigurationError, NoProxyAvailable
from limpet.settings import Settings
from sessions import open_pool
from tasks.fetching import Request
from tasks.http import Fetcher


def _settings(direct: str = "") -> Settings:
    return Settings(_env_file=None, direct_pools=direct)


def test_a_declared_pool_goes_out_from_here(
    redis: Redis, lab: Lab, fetcher: Fetcher
) -> None:
    manager = open_pool(redis, "open", _settings("open"))
    lease = manager.acquire("s", hold=30)

    page = fetcher.fetch(
        lease, Request(f"{lab.site}/whoami", timeout=10, max_bytes=10_000)
    )

    assert json.loads(page.body)["address"] == "127.0.0.1"
    assert lease.proxy.direct


def test_another_pool_has_no_proxy_and_says_so(redis: Redis) -> None:
    open_pool(redis, "open", _settings("open"))

    with pytest.raises(NoProxyAvailable):
        open_pool(redis, "closed", _settings("open")).acquire("s", hold=30)


def test_a_pool_that_is_no_longer_declared_stays_in(redis: Redis) -> None:
    before = open_pool(redis, "open", _settings("open"))
    before.release(before.acquire("s", hold=30))

    after = open_pool(redis, "open", _settings())

    with pytest.raises(ConfigurationError, match="LIMPET_DIRECT_POOLS"):
        after.acquire("s", hold=30)
    assert after.stats().leases == 0
