"""A pool that lies in several shards is one pool on every page and in every figure."""

import asyncio
from collections.abc import Iterator

import pytest
from celery import Celery
from redis import Redis

from health.store import HealthStore
from health.survey import Survey
from limpet import database, schema
from limpet.sealing import Sealer
from limpet.settings import Settings
from monitor.metrics import LimpetCollector
from monitor.watch import Watch
from proxies import Outcome, Proxy, ProxyRecord, tables
from proxies.fields import ABOUT
from sessions import SessionManager, open_pool
from tests.pages.site import Site, serving

HOT = [ProxyRecord(Proxy("http", f"10.9.3.{n}", 8080)) for n in range(40)]
NAMES = [f"s{n:02}" for n in range(50)]


@pytest.fixture
def sharded(settings: Settings) -> Settings:
    return settings.model_copy(update={"pool_shards": "hot=4"})


@pytest.fixture
def hot(redis: Redis, sharded: Settings) -> SessionManager:
    """The pool, its inventory, and sessions of one request each."""
    schema.upgrade(sharded)
    engine = database.engine(sharded.sql_url)
    tables.save(
        *(engine, Sealer.of(sharded), "hot", HOT),
        fields=ABOUT,
        progress=lambda _done, _all: None,
    )
    manager = open_pool(redis, "hot", sharded)
    manager._proxies.publish(HOT)
    for name in NAMES:
        lease = manager.acquire(name, hold=30)
        manager.release(lease, Outcome.OK, elapsed=0.1)
    return manager


@pytest.fixture
def site(sharded: Settings, hot: SessionManager) -> Iterator[Site]:
    assert hot.stats().sessions
    with serving(sharded) as found:
        yield found


def test_the_sessions_of_all_shards_are_on_one_page(
    site: Site, hot: SessionManager
) -> None:
    page = site.get("/sessions", pool="hot")
    [active] = page.find("//*[@data-card='active']/text()")

    assert active == "50"
    assert "#" not in page.words.replace("# ", "")
    shown = [row[0] for row in page.rows("limpet-sessions")]
    order = [info.session for info in hot.page(0, len(shown)).infos]
    assert shown == order


def test_a_session_of_any_shard_has_its_page(site: Site) -> None:
    for name in NAMES[:5]:
        page = site.get("/session", pool="hot", id=name)

        assert page.status == 200
        assert "created" in page.words


def test_the_proxies_of_all_shards_are_on_one_page(site: Site) -> None:
    page = site.get("/proxies", pool="hot")

    states = [cell for row in page.rows("limpet-proxies") for cell in row]
    assert "unpublished" not in states
    assert page.status == 200
    proxy = site.get("/proxy", pool="hot", id=HOT[0].id)
    assert proxy.status == 200
    assert "unpublished" not in proxy.words


def test_health_sees_one_pool(
    hot: SessionManager, redis: Redis, sharded: Settings
) -> None:
    held = hot.acquire("s00", hold=30)

    [found] = HealthStore(redis, sharded).look().pools

    assert found.stats.pool == "hot"
    assert (found.stats.sessions, found.stats.leases) == (50, 1)
    assert found.memory_bytes > 50 * 100
    hot.release(held)


def test_metrics_have_one_pool(hot: SessionManager, sharded: Settings) -> None:
    watch = Watch(Survey(sharded, Celery(broker=sharded.celery_broker)))
    asyncio.run(watch.seen())

    found = {
        (sample.name, sample.labels["pool"]): sample.value
        for metric in LimpetCollector(watch).collect()
        for sample in metric.samples
        if "pool" in sample.labels and "le" not in sample.labels
    }

    assert {pool for _, pool in found} == {hot.pool}
    assert found["limpet_sessions", "hot"] == len(NAMES)
    assert found["limpet_proxies_usable", "hot"] == len(HOT)
    assert found["limpet_sessions_created_total", "hot"] == len(NAMES)


def test_a_pool_that_lies_otherwise_is_not_shown(
    hot: SessionManager, sharded: Settings
) -> None:
    other = sharded.model_copy(update={"pool_shards": "hot=2"})

    with serving(other) as site:
        pages = [site.get(path, pool=hot.pool) for path in ("/sessions", "/proxies")]

    for page in pages:
        assert "hot is to have 2 shards, and Redis has it in 4" in page.text
        assert NAMES[0] not in page.text
