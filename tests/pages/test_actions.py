"""What may be done from a page: by whom, and with which token."""

from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

import pytest
from redis import Redis
from sqlalchemy import Engine

from proxies import ProxyPool, ProxyRecord, tables
from sessions import SessionManager
from sessions.store import SessionStore
from tests.pages.site import Seen, Site, login, with_options
from tests.pages.traffic import use

EVERY = [
    "/session/close",
    "/session/migrate",
    "/proxy/drain",
    "/proxy/evacuate",
    "/proxy/disable",
    "/proxy/enable",
    "/proxy/probe",
]
Act = Callable[..., Seen]


@pytest.fixture
def closed_site(site: Site) -> Iterator[Site]:
    """A site with a login."""
    with with_options(basic_auth=["ada:pw"]):
        yield site


@pytest.fixture
def act(closed_site: Site) -> Act:
    """Ask for an action as a browser does: its page first, then its form."""

    def send(path: str, id_: str, **said: str) -> Seen:
        where = {"pool": "default", "id": id_}
        asked = closed_site.ask(f"{path}?{urlencode(where)}", headers=login())
        cookie = asked.headers["Set-Cookie"].partition(";")[0]
        form = {
            one.get("name"): one.get("value") for one in asked.find("//form//input")
        }
        return closed_site.ask(
            f"{path}?{urlencode(where)}",
            method="POST",
            body=urlencode({**form, **said}),
            headers={**login(), "Cookie": cookie},
        )

    return send


def actions(redis: Redis) -> list[dict[str, str]]:
    found = SessionStore(redis, "default").audit(100)
    return [event for _, event in found if event["event"] == "action"]


def test_a_session_is_closed_once_its_form_was_sent(
    act: Act, closed_site: Site, manager: SessionManager, redis: Redis
) -> None:
    use(manager, "one")
    own = closed_site.ask("/session?pool=default&id=one", headers=login())
    [link] = own.find("//nav[@aria-label='Actions']/a[starts-with(., 'Close')]/@href")

    asked = closed_site.ask(link, headers=login())
    alive = manager.get("one")
    done = act("/session/close", "one")

    assert "what it carries is forgotten" in asked.words
    assert alive is not None
    assert done.status == 303
    assert done.headers["Location"] == "/session?pool=default&id=one"
    assert manager.get("one") is None
    assert actions(redis) == [
        {"event": "action", "action": "close", "session": "one", "by": "ada"}
    ]


def test_a_session_is_migrated_to_the_proxy_that_was_named(
    act: Act, manager: SessionManager, stocked: list[ProxyRecord], redis: Redis
) -> None:
    use(manager, "one")
    info = manager.get("one")
    assert info is not None
    other = next(one.id for one in stocked if one.id != info.proxy)

    wrong = act("/session/migrate", "one", word="nowhere")
    done = act("/session/migrate", "one", word=f" {other} ")

    moved = manager.get("one")
    assert wrong.status == 409
    assert "a proxy of the pool that may be used now" in wrong.words
    assert done.status == 303
    assert moved is not None
    assert moved.proxy == other
    assert [(one["action"], one["to"]) for one in actions(redis)] == [
        ("migrate", other)
    ]


def test_a_session_in_use_is_not_migrated(
    act: Act, manager: SessionManager, stocked: list[ProxyRecord]
) -> None:
    lease = manager.acquire("one", hold=30)
    other = next(one.id for one in stocked if one.id != lease.proxy.id)

    refused = act("/session/migrate", "one", word=other)

    manager.release(lease)
    assert refused.status == 409
    assert "Not done" in refused.words


@pytest.mark.parametrize(
    ("action", "mode"),
    [("drain", "draining"), ("evacuate", "evacuating"), ("disable", "disabled")],
)
def test_a_proxy_is_told_to_rest_and_may_be_used_again(
    act: Act,
    engine: Engine,
    pool: ProxyPool,
    stocked: list[ProxyRecord],
    action: str,
    mode: str,
) -> None:
    done = act(f"/proxy/{action}", stocked[0].id)
    [rests] = pool.status([stocked[0]])
    on_record = tables.modes(engine, "default")
    again = act("/proxy/enable", stocked[0].id)
    [works] = pool.status([stocked[0]])

    assert (done.status, again.status) == (303, 303)
    assert (rests.mode, works.mode) == (mode, "")
    assert on_record == {mode: 1}
    assert tables.modes(engine, "default") == {}


def test_without_a_page_to_fetch_nothing_is_probed(
    act: Act, stocked: list[ProxyRecord]
) -> None:
    refused = act("/proxy/probe", stocked[0].id)

    assert refused.status == 409
    assert "LIMPET_PROBE_URL" in refused.words


def test_what_is_gone_is_said_to_be(
    act: Act, manager: SessionManager, stocked: list[ProxyRecord], redis: Redis
) -> None:
    gone = [act("/session/close", "nobody"), act("/proxy/drain", "nobody")]

    assert [one.status for one in gone] == [409, 409]
    assert all("there is no such" in one.words for one in gone)
    assert actions(redis) == []


@pytest.mark.parametrize("path", EVERY)
def test_nothing_is_done_where_no_login_is_set_up(site: Site, path: str) -> None:
    with patch.dict("os.environ", FLOWER_UNAUTHENTICATED_API="true"):
        asked = site.ask(path)
        sent = site.ask(path, method="POST", body="")

    assert (asked.status, sent.status) == (403, 403)
    assert "FLOWER_BASIC_AUTH" in asked.words


@pytest.mark.parametrize("path", EVERY)
def test_nothing_is_done_in_read_only_mode(act: Act, site: Site, path: str) -> None:
    cookie = {"Cookie": "_xsrf=abc", "X-XSRFToken": "abc"}
    with with_options(read_only=True):
        asked = site.ask(path, headers=login())
        sent = site.ask(path, method="POST", body="", headers={**login(), **cookie})

    assert (asked.status, sent.status) == (403, 403)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Cookie": "_xsrf=abc"},
        {"Cookie": "_xsrf=abc", "X-XSRFToken": "other"},
        {"X-XSRFToken": "abc"},
        {"Cookie": "_xsrf=abc", "X-XSRFToken": "abc", "Origin": "http://evil.example"},
        {"Cookie": "_xsrf=a", "X-XSRFToken": "a", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_another_site_cannot_have_something_done(
    closed_site: Site, manager: SessionManager, headers: dict[str, Any]
) -> None:
    use(manager, "one")

    sent = closed_site.ask(
        "/session/close?pool=default&id=one",
        method="POST",
        body="",
        headers={**login(), **headers},
    )

    assert sent.status == 403
    assert manager.get("one") is not None


def test_without_the_password_nothing_is_done(
    closed_site: Site, manager: SessionManager
) -> None:
    use(manager, "one")
    token = {"Cookie": "_xsrf=abc", "X-XSRFToken": "abc"}

    sent = closed_site.ask(
        "/session/close?pool=default&id=one", method="POST", body="", headers=token
    )

    assert sent.status == 401
    assert manager.get("one") is not None


def test_pages_offer_no_action_that_would_be_refused(
    site: Site, manager: SessionManager
) -> None:
    use(manager, "one")

    assert (
        site.get("/session", pool="default", id="one").find(
            "//nav//a[contains(., '…')]"
        )
        == []
    )


def test_an_action_that_is_none_is_not_found(closed_site: Site) -> None:
    assert closed_site.ask("/proxy/explode?pool=default", headers=login()).status == 404
