"""Cookies and storage on their way between browsers and sessions."""

from typing import Any

import pytest
from requests.cookies import RequestsCookieJar

from lab import Lab
from tasks import cookies as jars
from tasks.browser.keeping import is_plain
from tasks.browser.storage import (
    Limits,
    first_party,
    from_browser,
    origin_of,
    to_browser,
)
from tests.tasks.browser.conftest import Visitor

ROOM = Limits(origins=8, size=10_000)


def _origin(name: str, value: str = "v") -> dict[str, Any]:
    return {"origin": name, "localStorage": [{"name": "k", "value": value}]}


def _cookie(**given: Any) -> dict[str, Any]:
    return {
        "name": "n",
        "value": "v",
        "domain": "shop.example",
        "path": "/",
        "expires": -1,
        "httpOnly": False,
        "secure": False,
        "sameSite": "Lax",
        **given,
    }


@pytest.mark.parametrize(
    "cookie",
    [
        _cookie(),
        _cookie(domain=".shop.example"),
        _cookie(domain="localhost"),
        _cookie(domain="127.0.0.1"),
        _cookie(path="/a/b", httpOnly=True, secure=True, sameSite="None"),
        _cookie(expires=4_000_000_000, sameSite="Strict"),
        _cookie(name="__Host-id", secure=True),
        _cookie(value="a=b c"),
    ],
)
def test_a_cookie_comes_back_from_requests_as_it_went(cookie: dict[str, Any]) -> None:
    hosts = ["localhost"]
    kept = from_browser([cookie], hosts)

    jar = jars.to_jar(kept)
    back = to_browser(jars.to_json(jar), hosts)

    assert back == [cookie]


def test_what_has_expired_is_not_given_to_a_browser() -> None:
    assert to_browser([_cookie(expires=1.5), _cookie(expires=0)], []) == []


def test_a_cookie_that_lives_for_ever_is_cut_to_what_chromium_takes() -> None:
    [found] = to_browser([_cookie(expires=10**15)], [])

    assert found["expires"] == 253_402_300_799


def test_cookies_of_visited_sites_are_the_last_to_go() -> None:
    many = [_cookie(name=f"n{n}", domain="tracker.example") for n in range(400)]

    found = from_browser([*many, _cookie(domain=".shop.example")], ["www.shop.example"])

    assert len(found) == 300
    assert found[0]["domain"] == ".shop.example"


def test_storage_of_sites_that_no_page_was_of_is_left_out() -> None:
    found = [_origin("https://www.shop.example"), _origin("https://ads.example")]

    assert first_party(found, ["shop.example"], ROOM) == found[:1]


def test_the_newest_storage_stays_where_there_is_too_much() -> None:
    found = [_origin("https://old.example"), _origin("https://new.example")]
    hosts = ["old.example", "new.example"]

    by_count = first_party(found, hosts, Limits(origins=1, size=10_000))
    by_size = first_party(found, hosts, Limits(origins=8, size=100))

    assert by_count == by_size == found[1:]


def test_an_origin_that_keeps_nothing_is_no_entry() -> None:
    empty = {"origin": "https://shop.example", "localStorage": []}

    assert first_party([empty], ["shop.example"], ROOM) == []


def test_a_page_finds_what_it_kept_in_another_browser_context(
    visitor: Visitor, lab: Lab
) -> None:
    steps = [{"do": "wait", "selector": "#indexed:not(:empty)"}]
    url = f"{lab.site}/store/account"
    login = [
        {"do": "fill", "selector": "#user", "value": "alice"},
        {"do": "fill", "selector": "#password", "value": "wonder"},
        {"do": "click", "selector": "#go"},
        *steps,
    ]
    first = visitor.visit(f"{lab.site}/store/login", steps=login)
    visitor.take_along(first)

    second = visitor.visit(url, steps=steps)
    visitor.take_along(second)
    third = visitor.once(url, steps=steps)

    assert not second.held.warm
    text = third.page.body.decode()
    assert '<p id="local">3</p>' in text
    assert '<p id="indexed">3</p>' in text
    assert '<p id="who">alice</p>' in text


def test_a_cookie_that_no_browser_takes_does_not_cost_the_others(
    visitor: Visitor, lab: Lab
) -> None:
    bad = _cookie(name="__Host-x", domain="127.0.0.1", path="/no")
    good = _cookie(name="good", value="kept", domain="127.0.0.1")
    visitor.lease.state.cookies.extend([bad, good])

    found = visitor.once(f"{lab.site}/echo")

    assert "good=kept" in found.page.body.decode()


def test_storage_that_no_browser_takes_is_not_the_end_of_a_session(
    visitor: Visitor, lab: Lab
) -> None:
    broken = {"origin": lab.site, "indexedDB": [{"name": "x", "version": "?"}]}
    visitor.lease.state.origins.append(broken)

    found = visitor.once(f"{lab.site}/whoami")

    assert found.error is None


#: A database with what JSON has, and one with what it has not.
PLAIN = "{ n: 1, tags: ['a', null], __proto__x: true }"
HARD = (
    "{ when: new Date(86400000), bytes: new Uint8Array([1]), map: new Map([[1, 2]]) }"
)
KEEP = """() => new Promise((done, fail) => {
  localStorage.setItem('word', 'välue');
  const asked = indexedDB.open('shop', 3);
  asked.onerror = fail;
  asked.onupgradeneeded = () => {
    const inline = asked.result.createObjectStore('inline', { keyPath: 'id' });
    inline.createIndex('by', ['a', 'b'], { unique: true });
    inline.add({ id: 'x', a: 1, b: 2 });
    asked.result.createObjectStore('out', { autoIncrement: true }).add(VALUE);
  };
  asked.onsuccess = () => { asked.result.close(); done(); };
})"""
SHOW = """() => new Promise((done, fail) => {
  const asked = indexedDB.open('shop');
  asked.onerror = fail;
  asked.onsuccess = () => {
    const both = asked.result.transaction(['inline', 'out']);
    const all = [both.objectStore('out').getAll(), both.objectStore('out').getAllKeys(),
      both.objectStore('inline').index('by').getAll()];
    both.oncomplete = () => {
      const text = (key, value) => value instanceof Map ? [...value] : value;
      done(JSON.stringify([asked.result.version, localStorage.word, history.length,
        all.map((one) => one.result)], text));
    };
  };
})"""


@pytest.mark.parametrize("value", [PLAIN, HARD])
def test_whatever_a_page_keeps_is_there_again(
    visitor: Visitor, lab: Lab, value: str
) -> None:
    def script(text: str, name: str | None = None) -> list[dict[str, Any]]:
        return [{"do": "evaluate", "script": text, "name": name}]

    url = f"{lab.site}/whoami"
    keep = script(KEEP.replace("VALUE", value))
    first = visitor.visit(url, steps=[*keep, *script(SHOW, "shown")])
    visitor.take_along(first)
    second = visitor.visit(url, steps=script(SHOW, "shown"))
    visitor.take_along(second)
    third = visitor.once(url, steps=script(SHOW, "shown"))

    assert first.error is None
    assert '[3,"välue",2,[[{' in first.values["shown"]
    assert first.values == second.values == third.values
    assert first.origins == second.origins == third.origins
    assert is_plain((first.origins or [{}])[0]) == (value is PLAIN)


def test_storage_of_an_origin_that_the_page_was_not_of_stays(
    visitor: Visitor, lab: Lab
) -> None:
    # Nobody is there: nothing is asked for.
    other = _origin("http://127.0.0.1:1")
    visitor.lease.state.origins.append(other)

    found = visitor.once(f"{lab.site}/whoami")

    assert (found.error, found.origins) == (None, [other])


def test_what_a_page_has_removed_does_not_come_back(visitor: Visitor, lab: Lab) -> None:
    visitor.lease.state.origins.append(_origin(lab.site))
    clear = [{"do": "evaluate", "script": "localStorage.clear()"}]

    found = visitor.once(f"{lab.site}/whoami", steps=clear)

    assert found.origins == []


def test_a_page_cannot_say_what_another_origin_keeps(
    visitor: Visitor, lab: Lab
) -> None:
    lie = """() => { Promise.race = async () => ({
      origin: "https://bank.example", localStorage: [{ name: "k", value: "evil" }],
    }) }"""

    found = visitor.once(
        f"{lab.site}/whoami", steps=[{"do": "evaluate", "script": lie}]
    )

    assert (found.error, found.origins) == (None, [])


def test_a_page_that_keeps_too_much_keeps_nothing(visitor: Visitor, lab: Lab) -> None:
    much = "localStorage.setItem('k', 'x'.repeat(1000000))"

    found = visitor.once(
        f"{lab.site}/whoami", steps=[{"do": "evaluate", "script": much}]
    )

    assert (found.error, found.origins) == (None, [])


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("HTTP://Shop.example:80/x?y", "http://shop.example"),
        ("https://u:p@shop.example:8443/", "https://shop.example:8443"),
        ("http://[::1]:80/", "http://[::1]"),
        ("https://shop.example:99999/", ""),
        ("about:blank", ""),
        ("data:text/html,x", ""),
    ],
)
def test_an_origin_is_written_as_browsers_do(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_an_empty_jar_is_no_cookie() -> None:
    assert to_browser(jars.to_json(RequestsCookieJar()), []) == []
