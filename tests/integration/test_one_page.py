"""Every field of a job, as a worker takes it."""

import json
import random
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from proxies import ProxyPool, ProxyRecord, parse_proxy
from proxies.store import ProxyStore
from tests.integration.crew import Crew


@pytest.fixture(scope="module")
def own_crew(crew_with: Callable[..., Crew]) -> Crew:
    return crew_with(
        LIMPET_JOB_MAX_TRIES="3",
        LIMPET_WEBHOOK_SECRET="wh-S3cret-of-a-webhook",
        LIMPET_LOG_LEVEL="DEBUG",
    )


def _echo(crew: Crew, **job: Any) -> dict[str, Any]:
    page = crew.do("scrape", **{"url": f"{crew.lab.site}/echo", **job})
    assert isinstance(page, dict), page
    heard: dict[str, Any] = json.loads(page["text"])
    return heard


def test_a_job_says_how_it_asks(crew: Crew) -> None:
    params = {"q": "ä b", "n": [1, 2.5], "yes": True}
    heard = _echo(crew, params=params, headers={"X-Mine": "1", "accept": "a/b"})

    assert heard["query"] == "q=%C3%A4+b&n=1&n=2.5&yes=true"
    assert heard["headers"]["x-mine"] == "1"
    assert heard["headers"]["accept"] == "a/b"


def test_a_redirect_that_is_not_followed_says_where_it_points(crew: Crew) -> None:
    url = f"{crew.lab.site}/redirect/3"

    page = crew.do("scrape", url=url, max_redirects=0)

    assert (page["status"], page["url"]) == (302, url)
    assert page["headers"]["location"] == "/redirect/2"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_body_is_json_or_a_form(crew: Crew, method: str) -> None:
    sent = _echo(crew, method=method, json={"a": ["ä", None]})
    form = _echo(crew, method=method, form={"a": "ä b", "n": [1, 2]}, json=None)

    assert (sent["method"], sent["body"]) == (method, '{"a": ["ä", null]}')
    assert sent["headers"]["content-type"] == "application/json"
    assert form["body"] == "a=%C3%A4+b&n=1&n=2"
    assert form["headers"]["content-type"] == "application/x-www-form-urlencoded"


def test_a_job_s_own_content_type_holds(crew: Crew) -> None:
    headers = {"Content-Type": "application/vnd.api+json"}
    heard = _echo(crew, method="POST", json={}, headers=headers)

    assert heard["headers"]["content-type"] == "application/vnd.api+json"


def test_a_new_session_is_as_the_job_wants_it(crew: Crew) -> None:
    us, de = (parse_proxy(proxy.line) for proxy in crew.lab.proxies[:2])
    records = [
        ProxyRecord(us, country="US", tags=("fast",)),
        ProxyRecord(de, country="DE", tags=("fast",)),
    ]
    ProxyPool(ProxyStore(crew.redis, crew.pool)).publish(records)
    url = f"{crew.lab.site}/whoami"
    how: dict[str, Any] = {
        "sticky": "hard",
        "ttl": 40.0,
        "max_requests": 9,
        "strategy": "random",
    }

    page = crew.do("scrape", url=url, session="s", country="de", tags=["fast"], **how)

    session = crew.sessions.get("s")
    assert session
    assert page["proxy"] == session.proxy == de.id
    assert (session.sticky, session.idle_ttl) == ("hard", 40.0)
    assert (session.max_requests, session.requests) == (9, 1)


def test_a_page_is_cut_followed_or_not_as_the_job_says(crew: Crew) -> None:
    site = crew.lab.site
    cut = crew.do("scrape", url=f"{site}/text/5000", max_bytes=100)
    stays = crew.do("scrape", url=f"{site}/redirect/3", max_redirects=0)
    goes = crew.do("scrape", url=f"{site}/redirect/3")
    short = crew.do("scrape", url=f"{site}/redirect/3", max_redirects=2)

    assert (cut["bytes"], cut["truncated"], cut["text"]) == (100, True, "x" * 100)
    assert (stays["status"], stays["redirects"]) == (302, 0)
    assert (goes["status"], goes["redirects"]) == (200, 3)
    assert "redirects (blame: target)" in short


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ({"extract": {"a": {"css": "a["}}}, "extract.a.css: "),
        ({"blocks": {"regexes": ["("]}}, "blocks.regexes.0: must be a regular expr"),
        ({"country": "Germany"}, "country: must be two letters, such as DE"),
        ({"strategy": "Fast!"}, "strategy: must be a strategy's name, such as"),
        ({"strategy": "fast"}, "strategy: must be one of "),
        ({"tags": ["a b"]}, "tags.0: must be 1 to 64 of the characters"),
        ({"priority": 3}, "priority: is of the message, not of the job: send_task("),
        ({"jsn": {}}, "jsn: there is no such field; did you mean 'json'? (allowed: "),
        (
            {"method": "POST", "json": {}, "form": {}},
            "json and form: a request has one body",
        ),
        ({"json": {}}, "method: GET sends no json and no form"),
        (
            {"method": "PUT", "json": [float("nan")]},
            "json: must have no NaN, no inf",
        ),
        ({"params": {"a": {}}}, "params.a: must be a text, a finite number, true"),
        ({"params": {"x" * 999: "1"}}, "params.…: string should have at"),
        ({"ttl": 1e9}, "ttl: "),
    ],
)
def test_a_bad_field_is_refused_before_anything_is_fetched(
    crew: Crew, job: dict[str, Any], says: str
) -> None:
    text = crew.do("scrape", url=f"{crew.lab.site}/shop/refused/1", **job)

    assert str(text).startswith(says)
    assert len(str(text)) < 1500
    assert crew.visits("refused") == []


def test_a_thousand_bad_urls_are_told_in_a_few_words(crew: Crew) -> None:
    text = crew.do("scrape_many", urls=["ftp://S3cret"] * 1000)

    assert text.endswith("; and 990 more")
    assert "S3cret" not in text


def test_a_post_that_may_have_arrived_is_not_sent_twice(crew: Crew) -> None:
    url = f"{crew.lab.site}/order"
    once = crew.do("scrape", url=f"{url}/post?delay=1.5", method="POST", timeout=0.5)
    again = crew.do("scrape", url=f"{url}/put?delay=1.5", method="PUT", timeout=0.5)

    assert once.startswith("given up after 1 try")
    assert "timeout (blame: unknown): not done in time, before the answer" in once
    assert len(crew.visits("post")) == 1
    assert again.startswith("given up after 3 tries")
    assert len(crew.visits("put")) == 3


def test_a_site_that_wants_a_pause_gets_it_and_no_proxy_is_blamed(crew: Crew) -> None:
    url = f"{crew.lab.site}/limited/patient?times=1&after=1"
    page = crew.do("scrape", url=url, session="s")

    assert (page["text"], page["tries"], page["generation"]) == ("welcome", 2, 1)
    assert list(crew.redis.scan_iter(f"{{{crew.pool}}}:b:*")) == []
    session = crew.sessions.get("s")
    assert session
    assert session.errors == 0


def _text(value: object) -> str:
    assert isinstance(value, bytes)
    return value.decode()


def test_a_block_that_says_for_how_long_bans_its_proxy_for_that_time(
    crew: Crew,
) -> None:
    query = "times=1&after=3000&with=403"
    url = f"{crew.lab.site}/limited/angry?{query}"

    page = crew.do("scrape", url=url, session="s")

    assert (page["text"], page["tries"], page["generation"]) == ("welcome", 2, 2)
    [bans] = crew.redis.scan_iter(f"{{{crew.pool}}}:b:*")
    [until] = [_text(one).split(":") for one in crew.redis.hvals(bans)]
    assert int(until[0]) / 1000 - time.time() > 2900
    assert crew.do("scrape", url=f"{crew.lab.site}/whoami")["tries"] == 1


def test_a_block_moves_the_session_and_counts_on_it(crew: Crew) -> None:
    blocks = {"substrings": ["limpet shop"]}
    url = f"{crew.lab.site}/shop/blocked/1"
    crew.do("scrape", url=url, session="s")
    first = crew.sessions.get("s")

    text = crew.do("scrape", url=url, session="s", blocks=blocks, max_age=3.0)

    assert "blocked (blame: block): rule: substring 1" in text
    [bans] = crew.redis.scan_iter(f"{{{crew.pool}}}:b:*")
    assert first
    assert first.proxy.encode() in crew.redis.hkeys(bans)
    assert len(crew.redis.hkeys(bans)) == 3
    assert crew.sessions.get("s") is None, "at three blocks it has been found out"
    assert crew.sessions.stats().counters["closed_blocked"] == 1


def test_a_hard_session_waits_for_its_proxy_and_burns_no_try(crew: Crew) -> None:
    proxy = parse_proxy(crew.lab.proxies[0].line)
    crew.use(f"{crew.pool[:26]}-one", crew.lab.proxies[0].line)
    url = f"{crew.lab.site}/whoami"
    crew.do("scrape", url=url, session="s", sticky="hard")
    live = f"{{{crew.pool}}}:d:{proxy.id}"
    seconds, micros = crew.redis.time()
    due = seconds * 1000 + micros // 1000 + 1500
    crew.redis.hset(live, mapping={"state": "unhealthy", "due": due})
    crew.redis.zadd(f"{{{crew.pool}}}:c", {proxy.id: due})

    page = crew.do("scrape", url=url, session="s")

    assert (page["status"], page["proxy"], page["tries"]) == (200, proxy.id, 1)


def test_robots_are_obeyed_if_the_job_wants_it(crew: Crew) -> None:
    url = f"{crew.lab.site}/private/robot"

    refused = crew.do("scrape", url=url, robots=True)
    page = crew.do("scrape", url=url)

    assert refused.startswith("robots.txt of '127.0.0.1' does not allow this page")
    assert page["text"] == "private"
    assert len(crew.visits("robot")) == 1


def test_robots_are_obeyed_where_a_redirect_leads(crew: Crew) -> None:
    way = f"{crew.lab.site}/redirect-to?url="
    private, other = f"{way}/private/led", f"{way}{crew.lab.rude}/other"

    refused = crew.do("scrape", url=private, robots=True)
    # Another site, whose own file has to be fetched in the middle.
    found = crew.do("scrape_many", urls=[private, other], session="s", robots=True)

    assert refused.startswith("robots.txt of '127.0.0.1' does not allow this page")
    assert found["pages"][0]["error"] == refused
    assert (found["pages"][1]["status"], found["pages"][1]["redirects"]) == (200, 1)
    assert crew.visits("led") == []


def test_a_stored_page_is_one_row_and_a_body(crew: Crew) -> None:
    job: dict[str, Any] = {"url": f"{crew.lab.site}/shop/kept/1", "session": "s"}
    rules = {"seen": {"css": "#seen", "type": "int"}}

    page = crew.do("scrape", **job, store="body", extract=rules)
    shown = crew.stack.manage("results", "ls", "--session", "s", "--pool", crew.pool)

    assert page["data"] == {"seen": 1}
    assert page["text"] is None
    assert list(crew.stack.folder.glob(f"artifacts/*/*/{page['artifact']}"))
    assert "shop/kept/1" in shown.stdout


def test_a_page_whose_cookies_do_not_fit_has_come(crew: Crew) -> None:
    crew.do("scrape", url=f"{crew.lab.site}/echo", session="s")
    dice = random.Random(7)  # what no zlib shortens
    crew.sessions.set_metadata("s", noise=dice.randbytes(830_000).hex())
    found: Any = {}

    for n in range(20):
        lines = [f"c{n}-{m}={dice.randbytes(1700).hex()}; Path=/no" for m in range(2)]
        query = urlencode({"line": lines}, doseq=True)
        url = f"{crew.lab.site}/set-cookie?{query}"
        if isinstance(found := crew.do("scrape", url=url, session="s"), str):
            break

    assert re.fullmatch(
        r"given up after 1 try in .* s: proxy .*: the page came \(\d+ ms\), then the "
        r"state of session 's' \(.*\) is over 1 MB and was not kept",
        str(found),
    )


def test_two_jobs_with_one_key_are_one(crew: Crew) -> None:
    job: dict[str, Any] = {
        "url": f"{crew.lab.site}/shop/once/1",
        "idempotency_key": "k",
    }

    first, second = crew.do("scrape", **job), crew.do("scrape", **job)

    assert len(crew.visits("once")) == 1
    assert second["text"] == first["text"]
    assert second["state"] == "done"
