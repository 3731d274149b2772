"""A session's own page: what it is bound to, what befell it, and what it carries."""

from typing import Any

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
from tests.pages.site import Site, serving
from tests.pages.traffic import SECRET, use


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
    assert page.find("//*[@data-metadata='account']/text()") == ["ada <b>"]
    assert SECRET not in page.text


def test_values_of_sealed_metadata_are_not_shown(
    settings: Settings, manager: SessionManager
) -> None:
    patch: Any = {"metadata": {"account": "grace"}}
    manager.release(manager.acquire("one", hold=30), Outcome.OK, patch=patch)
    key = SecretStr("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")

    with serving(settings.model_copy(update={"state_keys": key})) as site:
        page = site.get("/session", pool="default", id="one")

    assert page.find("//*[@data-metadata='account']/text()") == ["sealed"]
    assert "grace" not in page.words


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
