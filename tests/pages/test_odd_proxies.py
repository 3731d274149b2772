"""The Proxies tab of pools that are large, direct, or damaged by another program."""

from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Engine

from limpet.keys import Keys
from limpet.settings import Settings
from proxies import DIRECT, Proxy, ProxyPool, ProxyRecord
from sessions import SessionManager, open_proxies
from tests.pages.site import Seen, Site, serving, with_options
from tests.pages.traffic import use

TABLE = "limpet-proxies"


def strip(page: Seen) -> list[str]:
    return [one.text_content() for one in page.find("//*[@id='limpet-states']/li")]


def test_of_a_large_pool_all_are_counted_and_some_are_drawn(
    site: Site, engine: Engine, pool: ProxyPool
) -> None:
    many = [
        ProxyRecord(Proxy("http", f"10.{n // 250}.{n % 250}.1", 80))
        for n in range(1195)
    ]
    pool.publish(many)

    page = site.get("/proxies")

    assert "unknown 1,200" in page.words
    assert (
        "0 on each of 1,200 proxies that may be chosen, by a sample of 1,000."
        in page.words
    )


def test_a_direct_pool_shows_that_it_goes_out_directly(
    settings: Settings, redis: Redis
) -> None:
    redis.sadd("limpet:pools", "plain")
    direct = settings.model_copy(update={"direct_pools": "plain"})

    with serving(direct) as site:
        page = site.get("/proxies", pool="plain")

    assert page.rows(TABLE)[0][0].endswith("direct")


def test_a_direct_pool_that_rests_says_so_and_is_never_probed(
    settings: Settings, redis: Redis
) -> None:
    redis.sadd("limpet:pools", "plain")
    direct = settings.model_copy(update={"direct_pools": "plain"})

    with with_options(basic_auth=["ada:pw"]), serving(direct) as site:
        before = site.get("/proxies", pool="plain")
        own = site.get("/proxy", pool="plain", id=DIRECT.id)
        open_proxies(redis, "plain", direct).set_mode(DIRECT.id, "disabled")
        after = site.get("/proxies", pool="plain")

    assert strip(before) == ["unknown 1"]
    assert strip(after) == ["disabled 1"]
    offered = own.find("//nav[@aria-label='Actions']/a/text()")
    assert offered == ["Drain…", "Evacuate…", "Disable…", "Enable…"]


@pytest.mark.parametrize("field", ["ema", "bytes", "inflight", "done", "sessions"])
def test_a_proxy_that_is_damaged_is_shown_as_that(
    site: Site, stocked: list[ProxyRecord], redis: Redis, field: str
) -> None:
    keys, bad = Keys("default"), stocked[0].id
    if field == "sessions":
        redis.hset(keys.loads, bad, "x")
    else:
        redis.hset(keys.live_proxy(bad), field, "x")

    table = site.get("/proxies")
    own = site.get("/proxy", pool="default", id=bad)

    states = {row[0].split()[0]: row[3] for row in table.rows(TABLE)}
    assert states.pop(bad) == "damaged"
    assert set(states.values()) == {"unknown"}
    assert own.status == 200
    assert "damaged" in own.words


def test_an_event_says_its_own_time_in_vain(
    site: Site, stocked: list[ProxyRecord], redis: Redis, manager: SessionManager
) -> None:
    use(manager, "one")
    for about in ({"proxy": stocked[0].id}, {"session": "one"}):
        said: Any = {"event": "odd", "at": "yesterday", **about}
        redis.xadd(Keys("default").audit, said)

    proxy = site.get("/proxy", pool="default", id=stocked[0].id)
    session = site.get("/session", pool="default", id="one")

    for page in (proxy, session):
        assert page.status == 200
        assert "odd" in page.words
        assert "yesterday" not in page.words
