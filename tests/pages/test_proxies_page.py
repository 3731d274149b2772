"""The Proxies tab: how they are, which they are, and each one's own page."""

import re
import time
from collections.abc import Callable

import pytest
from redis import Redis
from sqlalchemy import Engine

from limpet.keys import Keys
from limpet.sealing import Sealer
from proxies import Outcome, Proxy, ProxyPool, ProxyRecord, tables
from sessions import SessionManager
from tests.pages.site import Site, login, with_options
from tests.pages.traffic import SECRET, use

TABLE = "limpet-proxies"
Add = Callable[..., None]


def test_a_pool_without_proxies_says_how_they_come(site: Site, engine: Engine) -> None:
    assert "python manage.py proxies import FILE" in site.get("/proxies").words


def test_proxies_without_a_database_are_counted_still(
    site: Site, pool: ProxyPool
) -> None:
    page = site.get("/proxies")

    assert page.status == 200
    assert "unknown 5" in page.words
    assert "The inventory cannot be read" in page.words


def test_a_proxy_is_told_without_its_credentials(
    site: Site, engine: Engine, pool: ProxyPool
) -> None:
    secret = ProxyRecord(
        Proxy("http", "10.9.0.1", 8080, f"u-{SECRET}", SECRET),
        country="DE",
        tags=("mobile",),
    )
    tables.save(engine, Sealer(()), "default", [secret])
    pool.publish([secret])

    table = site.get("/proxies")
    own = site.get("/proxy", pool="default", id=secret.id)

    [cells] = table.rows(TABLE)
    assert cells[:4] == [f"{secret.id} http://10.9.0.1:8080", "DE", "mobile", "unknown"]
    assert own.status == 200
    assert "http://10.9.0.1:8080" in own.words
    assert SECRET not in table.text + own.text


def test_states_and_modes_are_a_strip(
    site: Site, engine: Engine, stocked: list[ProxyRecord], pool: ProxyPool
) -> None:
    tables.set_mode(engine, "default", stocked[0].id, "draining")
    pool.set_mode(stocked[0].id, "draining")

    page = site.get("/proxies")

    strip = [one.text_content() for one in page.find("//*[@id='limpet-states']/li")]
    assert strip == ["unknown 4", "draining 1"]
    assert [row[3] for row in page.rows(TABLE)].count("unknown draining") == 1


def test_figures_are_those_of_the_proxy(
    site: Site, stocked: list[ProxyRecord], manager: SessionManager
) -> None:
    use(manager, "one", elapsed=0.2, size=1500)
    info = manager.get("one")
    assert info is not None

    page = site.get("/proxies", search=info.proxy)

    [cells] = page.rows(TABLE)
    assert cells[5:] == ["0", "1", "100%", "200 ms", "0", "1.5 kB"]


def test_a_proxy_that_a_domain_blocks_has_a_ban(
    site: Site, stocked: list[ProxyRecord], manager: SessionManager
) -> None:
    lease = manager.acquire("one", hold=30, domain="shop.example")
    manager.release(lease, Outcome.BLOCKED, domain="shop.example")

    table = site.get("/proxies", search=lease.proxy.id)
    own = site.get("/proxy", pool="default", id=lease.proxy.id)

    assert table.rows(TABLE)[0][9] == "1"
    told = own.find("//*[@id='limpet-timeline']/li")[0].text_content()
    assert "banned domain shop.example" in re.sub(r"\s+", " ", told)
    [ban] = own.find("//*[@id='limpet-bans']/li")
    assert ban.text_content().startswith("shop.example for ")


def test_bans_that_are_over_are_not_shown(
    site: Site, stocked: list[ProxyRecord], redis: Redis
) -> None:
    own = Keys("default").banned_by + stocked[0].id
    redis.zadd(own, {"old.example": 1, "new.example": time.time() * 1000 + 90_000})
    redis.expire(own, 60)

    page = site.get("/proxy", pool="default", id=stocked[0].id)

    told = [one.text_content() for one in page.find("//*[@id='limpet-bans']/li")]
    assert [one.split()[0] for one in told] == ["new.example"]


def test_of_many_bans_those_that_last_longest_are_kept(
    redis: Redis, stocked: list[ProxyRecord], manager: SessionManager, pool: ProxyPool
) -> None:
    for n in range(130):
        lease = manager.acquire(None, hold=30, domain=f"site{n}.example")
        manager.release(lease, Outcome.BLOCKED, domain=f"site{n}.example")

    kept = {one.id: pool.bans(one.id) for one in stocked}

    assert sum(map(len, kept.values())) == 130
    lease = manager.acquire("one", hold=30)
    for n in range(130):
        manager.release(lease, Outcome.BLOCKED, domain=f"more{n}.example")
        lease = manager.acquire("one", hold=30)
    manager.release(lease)
    assert max(len(pool.bans(one.id)) for one in stocked) <= 100


def test_the_spread_of_sessions_is_drawn(
    site: Site, stocked: list[ProxyRecord], manager: SessionManager
) -> None:
    use(manager, *(f"s-{n}" for n in range(7)))

    page = site.get("/proxies")

    [drawn] = page.find("//svg[@data-bars]/@aria-label")
    assert "1 sessions: 3 proxies" in drawn
    assert "2 sessions: 2 proxies" in drawn
    assert "From 1 to 2 sessions, left to right, on 5 proxies" in page.words


def test_a_spread_that_is_even_is_no_range(
    site: Site, stocked: list[ProxyRecord], manager: SessionManager
) -> None:
    use(manager, *(f"s-{n}" for n in range(5)))

    page = site.get("/proxies")

    assert "1 on each of 5 proxies that may be chosen" in page.words
    assert "From 1 to 1" not in page.words


def test_a_database_without_tables_is_told_in_words(
    site: Site, stocked: list[ProxyRecord], engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")

    page = site.get("/proxies")
    own = site.get("/proxy", pool="default", id=stocked[0].id)

    for shown in (page, own):
        assert "The inventory cannot be read" in shown.words
        assert "there are no tables yet" in shown.words
        assert "python manage.py migrate" in shown.words
        assert "None" not in shown.words
    assert own.status == 503
    assert "session store" not in own.words


@pytest.mark.parametrize(
    ("text", "count"),
    [("127.0.8.3", 1), ("127.0.8", 5), ("%", 0), ("_", 0), ("<b>", 0), ("'--", 0)],
)
def test_proxies_are_found_by_their_hosts(
    site: Site, stocked: list[ProxyRecord], text: str, count: int
) -> None:
    assert len(site.get("/proxies", search=text).rows(TABLE)) == count


def test_proxies_are_found_by_country_and_tag(
    site: Site, engine: Engine, stocked: list[ProxyRecord]
) -> None:
    one = ProxyRecord(Proxy("http", "10.9.0.1", 1), country="DE", tags=("mobile",))
    tables.save(engine, Sealer(()), "default", [one])

    for text in ("de", "DE", "mobile", one.id[:4]):
        [cells] = site.get("/proxies", search=text).rows(TABLE)
        assert cells[0].startswith(one.id)


def test_pages_of_the_table_have_each_proxy_once(
    site: Site, engine: Engine, pool: ProxyPool
) -> None:
    many = [ProxyRecord(Proxy("http", f"10.1.0.{n}", 80)) for n in range(60)]
    tables.save(engine, Sealer(()), "default", many)

    seen, path, pages = [], "/proxies", 0
    while path:
        page = site.get(path)
        seen += [row[0].split()[0] for row in page.rows(TABLE)]
        pages += 1
        path = next(iter(page.find("//a[@rel='next']/@href")), "")

    assert pages == 3
    assert sorted(seen) == sorted(one.id for one in many)


def test_a_proxys_own_page_has_its_sessions(
    site: Site, stocked: list[ProxyRecord], manager: SessionManager
) -> None:
    every = [f"s-{n}" for n in range(10)]
    use(manager, *every)
    home = manager.get("s-0")
    assert home is not None

    page = site.get("/proxy", pool="default", id=home.proxy)

    there = {one.session for one in manager.all() if one.proxy == home.proxy}
    assert {row[0] for row in page.rows("limpet-sessions")} == there


def test_a_proxy_that_is_none_is_not_found(
    site: Site, stocked: list[ProxyRecord]
) -> None:
    assert site.get("/proxy", pool="default", id="nobody").status == 404
    assert site.get("/proxy", pool="nowhere", id=stocked[0].id).status == 404


def test_places_that_are_markup_are_words(
    site: Site, engine: Engine, pool: ProxyPool
) -> None:
    evil = "<img src=x onerror=alert(1)>"
    one = ProxyRecord(Proxy("http", "10.9.0.1", 1), city=evil, provider=evil)
    tables.save(engine, Sealer(()), "default", [one])

    own = site.get("/proxy", pool="default", id=one.id)

    assert evil in own.words
    assert "<img src=x" not in own.text


def test_its_pages_need_the_login_that_flower_has(site: Site) -> None:
    with with_options(basic_auth=["ada:pw"]):
        for path in ("/proxies", "/proxy?pool=default&id=x"):
            assert site.ask(path).status == 401
        assert site.ask("/proxies", headers=login()).status == 200
