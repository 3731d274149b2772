"""The Sessions tab: cards, a chart, a table, and each session's own page."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr
from redis import Redis

from history.snapshots import Snapshots
from history.store import HistoryStore
from limpet import database, schema
from limpet.keys import Keys
from limpet.settings import Settings
from proxies import Outcome, ProxyPool
from sessions import SessionManager
from tests.conftest import Eventually
from tests.pages.site import Seen, Site, login, serving, with_options
from tests.pages.traffic import SECRET, use
from tests.redis_server import RedisServer

TABLE = "limpet-sessions"


def card(page: Seen, name: str) -> str:
    [text] = page.find(f"//*[@data-card='{name}']/text()")
    return str(text)


def names(page: Seen) -> list[str]:
    return [cells[0] for cells in page.rows(TABLE)]


@pytest.fixture
def snapshot(
    redis: Redis, manager: SessionManager, pool: ProxyPool
) -> Callable[[], object]:
    """Write down what the pool holds, as beat has it done."""
    snapshots = Snapshots(HistoryStore(redis))
    return lambda: snapshots.take(manager, pool, {})


def test_without_a_pool_it_says_how_to_begin(site: Site) -> None:
    assert "python manage.py proxies import FILE" in site.get("/sessions").words


def test_a_pool_without_sessions_says_how_they_come(
    site: Site, pool: ProxyPool
) -> None:
    page = site.get("/sessions")

    assert page.status == 200
    assert "python manage.py scrape URL --session NAME" in page.words
    assert card(page, "active") == "0"


def test_a_session_is_told_with_all_that_it_does(
    site: Site, manager: SessionManager
) -> None:
    use(manager, "user-42", url="http://shop.example/p?key=" + SECRET)

    page = site.get("/sessions")

    info = manager.get("user-42")
    assert info is not None
    [[name, proxy, state, generation, requests, leases, _, expires, host]] = page.rows(
        TABLE
    )
    assert (name, proxy, state) == ("user-42", info.proxy, "idle")
    assert (generation, requests, leases, host) == ("1", "1", "0", "shop.example")
    assert expires.startswith("in ")
    assert SECRET not in page.text


def test_a_session_in_use_is_told_so(site: Site, manager: SessionManager) -> None:
    lease = manager.acquire("busy", hold=30)

    page = site.get("/sessions")

    manager.release(lease, Outcome.OK)
    assert page.rows(TABLE)[0][2] == "in use"
    assert "1 in use now" in page.words


def test_pages_of_the_table_have_each_session_once(
    site: Site, manager: SessionManager
) -> None:
    every = [f"s-{n:03}" for n in range(60)]
    use(manager, *every)

    seen, path, pages = [], "/sessions", 0
    while path:
        page = site.get(path)
        seen += names(page)
        pages += 1
        path = next(iter(page.find("//a[@rel='next']/@href")), "")

    assert pages == 3
    assert sorted(seen) == every


def test_the_order_can_be_turned_round(
    site: Site, manager_of: Callable[..., SessionManager]
) -> None:
    use(manager_of(idle_ttl=600), "long")
    use(manager_of(idle_ttl=60), "short")

    first = site.get("/sessions")
    [turn] = first.find("//th[@aria-sort='ascending']/a/@href")

    assert names(first) == ["short", "long"]
    assert names(site.get(turn)) == ["long", "short"]


@pytest.mark.parametrize("page", ["0", "-1", "x", "9" * 50, "", "²"])
def test_a_page_that_is_none_is_the_first(
    site: Site, manager: SessionManager, page: str
) -> None:
    use(manager, "one")

    assert names(site.get("/sessions", page=page)) == ["one"]


def test_a_page_after_the_last_leads_back(site: Site, manager: SessionManager) -> None:
    use(manager, "one")

    page = site.get("/sessions", page=7)

    [back] = page.find("//div[contains(@class, 'limpet-empty')]//a/@href")
    assert names(site.get(back)) == ["one"]


def test_cards_tell_of_the_last_hour(
    site: Site, manager: SessionManager, snapshot: Callable[[], object]
) -> None:
    snapshot()
    use(manager, "one", "two", elapsed=0.2)
    manager.release(manager.acquire("one", hold=30), Outcome.FAULT)
    snapshot()

    page = site.get("/sessions")

    assert card(page, "active") == "2"
    assert card(page, "response").endswith(" ms")
    assert card(page, "acquires") != "—"
    assert card(page, "waiting") == "0"


def test_the_chart_has_a_point_for_each_snapshot(
    site: Site, manager: SessionManager, snapshot: Callable[[], object]
) -> None:
    for name in ("one", "two", "three"):
        use(manager, name)
        snapshot()

    page = site.get("/sessions")

    assert page.find("//svg/@data-points") == ["3"]
    assert "3 sessions at the end" in page.find("//figure//svg/@aria-label")[0]


def test_a_chart_of_nothing_says_when_there_will_be_one(
    site: Site, manager: SessionManager
) -> None:
    use(manager, "one")

    page = site.get("/sessions")

    assert page.find("//figure") == []
    assert "beat takes a snapshot every minute" in page.words


def test_longer_ranges_come_from_sql_and_say_what_it_lacks(
    site: Site, settings: Settings, manager: SessionManager, redis: Redis
) -> None:
    use(manager, "one")
    lacking = site.get("/sessions", span="7d")
    schema.upgrade(settings)

    there = site.get("/sessions", span="7d")

    assert lacking.status == there.status == 200
    assert "The history cannot be read" in lacking.words
    assert "python manage.py migrate" in lacking.words
    assert "The history cannot be read" not in there.words
    assert names(there) == ["one"]
    database.engine(settings.sql_url).dispose()


def test_each_range_keeps_the_rest_of_what_was_asked(
    site: Site, manager: SessionManager
) -> None:
    use(manager, "one")

    links = site.get("/sessions", sort="last").find(
        "//nav[@aria-label='Range of the chart']/a/@href"
    )

    said = [parse_qs(urlsplit(one).query) for one in links]
    assert [one["span"] for one in said] == [["1h"], ["24h"], ["7d"]]
    assert {one["sort"][0] for one in said} == {"last"}


def test_an_open_page_is_told_what_it_shows(
    site: Site, manager: SessionManager
) -> None:
    use(manager, "one", "two", url="http://shop.example/")

    page = site.get("/sessions")
    [source] = page.find("//*[@id='limpet-live']/@data-source")
    told = json.loads(site.get(source).text)

    cells = page.find(f"//table[@id='{TABLE}']/tbody/tr[1]//@data-cell")
    shown = page.rows(TABLE)
    assert [[row[name] for name in cells] for row in told["rows"]] == shown
    assert told["now"]["active"] == card(page, "active")
    assert told["pages"] == 1
    links = page.find(f"//table[@id='{TABLE}']/tbody//th/a/@href")
    begin = told["links"]["own"]
    assert [begin + row["session"] for row in told["rows"]] == links


def test_of_a_pool_that_is_none_an_open_page_is_told_nothing(site: Site) -> None:
    told = json.loads(site.get("/sessions/data", pool="nowhere").text)

    assert told["rows"] == []


def test_names_that_are_markup_are_words(
    site: Site, redis: Redis, pool: ProxyPool
) -> None:
    keys, evil = Keys("default"), "<img src=x onerror=alert(1)>'\"&"
    soon = round(time.time() * 1000) + 60_000
    fields: Any = {
        "p": evil,
        "d": 0,
        "x": soon,
        "a": soon,
        "t": 1,
        "m": 1,
        "w": f"//{evil}",
    }
    redis.hset(keys.session(evil), mapping=fields)
    redis.zadd(keys.expiry, {evil: soon})

    table = site.get("/sessions")
    [link] = table.find(f"//table[@id='{TABLE}']/tbody//th/a/@href")
    own = site.get(link)

    assert names(table) == [evil]
    assert own.status == 200
    assert own.find("//h1/text()") == [evil]
    for page in (table, own, site.get("/sessions", search=evil)):
        assert page.find("//img[@src='x']") == []
        assert "<img src=x" not in page.text


def test_each_pool_has_its_own_sessions(
    site: Site, manager: SessionManager, redis: Redis
) -> None:
    use(manager, "one")
    redis.sadd("limpet:pools", "shop")

    page = site.get("/sessions")
    [shop] = page.find("//nav[@aria-label='Pools']/a[text()='shop']/@href")

    assert names(page) == ["one"]
    assert names(site.get(shop)) == []
    assert names(site.get("/sessions", pool="nowhere")) == ["one"]


def test_its_pages_need_the_login_that_flower_has(site: Site) -> None:
    with with_options(basic_auth=["ada:pw"]):
        for path in ("/sessions", "/sessions/data", "/session?pool=default&id=x"):
            assert site.ask(path).status == 401
        assert site.ask("/sessions", headers=login()).status == 200


def test_a_store_that_is_down_is_told_and_the_page_comes_back(
    settings: Settings, store_server: RedisServer, eventually: Eventually
) -> None:
    where = {"redis_url": SecretStr(store_server.url), "health_timeout_seconds": 0.5}
    with serving(settings.model_copy(update=where)) as site:
        assert site.get("/sessions").status == 200
        store_server.freeze()
        try:
            away = [site.get("/sessions"), site.get("/session", pool="p", id="x")]
            data = site.get("/sessions/data", pool="p")
        finally:
            store_server.thaw()
        eventually(lambda: site.get("/sessions").status == 200)

    assert [one.status for one in (*away, data)] == [503, 503, 503]
    assert all("does not answer" in one.words for one in away)
