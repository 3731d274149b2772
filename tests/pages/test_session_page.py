"""A session's own page: what it is bound to, what befell it, and what it carries."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis

from history.drain import Drain
from history.names import Names
from history.store import HistoryStore
from limpet import database, schema
from limpet.keys import Keys
from limpet.settings import Settings
from proxies import Outcome
from sessions import SessionManager
from tests.pages.site import Seen, Site, serving
from tests.pages.traffic import SECRET, use

KEYS = Keys("default")
#: What a program that is not ours may make of a session's record.
DAMAGE: dict[str, Callable[[Redis], object]] = {
    "no proxy": lambda redis: redis.hdel(KEYS.session("bad"), "p"),
    "no time": lambda redis: redis.hset(KEYS.session("bad"), "x", "abc"),
    "an endless time": lambda redis: redis.hset(KEYS.session("bad"), "x", "1e400"),
    "odd options": lambda redis: redis.hset(KEYS.session("bad"), "o", "x"),
    "no text": lambda redis: redis.hset(KEYS.session("bad"), "n", b"\xff"),
    "a list": lambda redis: (
        redis.delete(KEYS.session("bad")),
        redis.rpush(KEYS.session("bad"), "x"),
    ),
}


def metadata(page: Seen) -> list[str]:
    return [
        one.text_content().strip() for one in page.find("//*[@id='limpet-metadata']/li")
    ]


def test_a_sessions_own_page_has_names_of_cookies_and_no_values(
    site: Site, manager: SessionManager
) -> None:
    cookie = {"name": "sid", "value": SECRET, "domain": ".shop.example", "path": "/"}
    patch: Any = {
        "cookies": [cookie],
        "headers": {"Authorization": SECRET},
        "metadata": {"account": "ada <b>"},
    }
    manager.release(manager.acquire("one", hold=30), Outcome.OK, patch=patch)

    page = site.get("/session", pool="default", id="one")

    assert page.status == 200
    [cookies] = page.find("//*[@id='limpet-cookies']/li")
    assert cookies.text_content().split() == ["shop.example", "sid"]
    assert "Authorization" in page.words
    assert metadata(page) == ["account"]
    assert SECRET not in page.text


def test_values_of_metadata_are_shown_where_a_setting_says_so(
    settings: Settings, manager: SessionManager
) -> None:
    patch: Any = {"metadata": {"account": "ada <b>", "tries": 3}}
    manager.release(manager.acquire("one", hold=30), Outcome.OK, patch=patch)

    with serving(settings.model_copy(update={"show_metadata": True})) as site:
        page = site.get("/session", pool="default", id="one")

    assert metadata(page) == ["account ada <b>", "tries 3"]


def test_values_of_sealed_metadata_are_never_shown(
    settings: Settings, manager: SessionManager
) -> None:
    patch: Any = {"metadata": {"account": "grace"}}
    manager.release(manager.acquire("one", hold=30), Outcome.OK, patch=patch)
    key = SecretStr("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
    sealed = settings.model_copy(update={"state_keys": key, "show_metadata": True})

    with serving(sealed) as site:
        page = site.get("/session", pool="default", id="one")

    assert metadata(page) == ["account"]
    assert "grace" not in page.words


@pytest.mark.parametrize(
    ("show", "shown"),
    [
        ("host", "http://shop.example:8080"),
        ("path", "http://shop.example:8080/a/b"),
        ("query", "http://shop.example:8080/a/b"),
    ],
)
def test_where_it_was_last_is_shown_as_far_as_is_set(
    settings: Settings, manager: SessionManager, show: str, shown: str
) -> None:
    use(manager, "one", url=f"http://u:{SECRET}@shop.example:8080/a/b?key={SECRET}")

    with serving(settings.model_copy(update={"show_urls": show})) as site:
        page = site.get("/session", pool="default", id="one")

    assert page.find("//dt[text()='Was last at']/following-sibling::dd[1]/text()") == [
        shown
    ]
    assert SECRET not in page.text


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_session_is_shown_as_such_beside_the_others(
    site: Site, manager: SessionManager, redis: Redis, damage: str
) -> None:
    use(manager, "bad", "good")
    DAMAGE[damage](redis)

    table = site.get("/sessions")
    data = json.loads(site.get("/sessions/data", pool="default").text)
    own = site.get("/session", pool="default", id="bad")

    states = {row[0]: row[2] for row in table.rows("limpet-sessions")}
    assert states == {"bad": "damaged", "good": "idle"}
    assert {row["session"]: row["state"] for row in data["rows"]} == states
    assert own.status == 200
    assert "The record of this session is damaged" in own.words


def test_a_session_whose_state_has_no_version_is_shown_without_it(
    site: Site, manager: SessionManager, redis: Redis
) -> None:
    use(manager, "one")
    redis.hset(KEYS.session("one"), "i", "x")

    page = site.get("/session", pool="default", id="one")

    assert page.status == 200
    assert "damaged" in page.words


def test_what_befell_a_session_is_told_the_newest_first(
    site: Site, settings: Settings, manager: SessionManager, redis: Redis
) -> None:
    use(manager, "one")
    info = manager.get("one")
    assert info is not None
    manager.close("one")

    page = site.get("/session", pool="default", id="one")

    events = [one.text_content() for one in page.find("//*[@id='limpet-timeline']/li")]
    assert "closed" in events[0]
    assert "created" in events[-1]
    assert "This session has ended" in page.words


def test_events_that_redis_has_no_more_come_from_sql(
    site: Site, settings: Settings, manager: SessionManager, redis: Redis
) -> None:
    use(manager, "one")
    schema.upgrade(settings)
    engine = database.engine(settings.sql_url)
    Drain(HistoryStore(redis), engine, Names()).audit("default")
    redis.xtrim(Keys("default").audit, maxlen=0, approximate=False)

    page = site.get("/session", pool="default", id="one")

    engine.dispose()
    assert "created" in page.find("//*[@id='limpet-timeline']/li")[0].text_content()


def test_a_session_that_never_was_is_not_found(
    site: Site, manager: SessionManager
) -> None:
    assert site.get("/session", pool="default", id="nobody").status == 404
    assert site.get("/session", pool="nowhere", id="one").status == 404
    assert site.get("/session").status == 404
