"""A visitor of a shop, who is served by jobs of two kinds on two workers."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from lab import Lab
from lab.shop import CART, CHECKOUT, LOGIN
from limpet.client import Limpet
from limpet.connection import connect
from limpet.errors import InvalidJob, JobFailed
from proxies import parse_proxy
from tests.integration.crew import Crew
from tests.stack import ROOT, Stack
from tests.warm import Warm

LOG_IN = [
    {"do": "fill", "selector": "#user", "value": "alice"},
    {"do": "fill", "selector": "#password", "value": "wonder"},
    {"do": "select", "selector": "#shelf", "values": ["old"]},
    {"do": "click", "selector": "#go"},
    {"do": "wait", "url": "**/store/account"},
    {"do": "wait", "selector": "#indexed:not(:empty)"},
]
#: A browser may have to be started, on a machine that is busy.
WITHIN = 60


@pytest.fixture(scope="module")
def own_crew(
    redis_port: int, tmp_path_factory: pytest.TempPathFactory, lab: Lab, warm: Warm
) -> Iterator[Crew]:
    """Two workers: A for pages in a browser, B for the rest."""
    with ExitStack() as open_:
        made = Stack(redis_port, tmp_path_factory.mktemp("render"), warm)
        open_.callback(made.close)
        redis = connect(made.redis_url)
        redis.flushall()
        done = made.manage("migrate")
        assert done.returncode == 0, done.stderr
        made.worker("a", "-Q", "render")
        made.worker("b", "-Q", "scrape")
        yield Crew(made, lab, redis)
    with Redis(port=redis_port) as server:
        server.flushall()


@pytest.fixture
def limpet(own_crew: Crew) -> Iterator[Limpet]:
    with Limpet(own_crew.stack.broker_url) as client:
        yield client


@pytest.mark.parametrize("number", [0, 1], ids=["http", "socks5"])
def test_one_visitor_logs_in_shops_and_checks_out(
    crew: Crew, limpet: Limpet, number: int
) -> None:
    site, session, proxy = crew.lab.site, f"visitor-{number}", crew.lab.proxies[number]
    crew.use(f"shop-{number}", proxy.line)
    fields: dict[str, Any] = {"pool": crew.pool, "session": session}

    login = limpet.render(f"{site}/store/login", steps=LOG_IN, **fields)
    welcome = login.get(timeout=WITHIN)
    cart = limpet.scrape(f"{site}/store/cart/7", method="POST", **fields)
    added = cart.get(timeout=WITHIN)
    checkout = limpet.render(
        f"{site}/store/checkout",
        steps=[{"do": "wait", "selector": ".item"}],
        extract={"who": "#who", "items": {"css": ".item", "all": True}},
        **fields,
    ).get(timeout=WITHIN)

    assert (welcome.title, added.status, added.text) == ("Account", 200, "[7]\n")
    assert checkout.data == {"who": "alice", "items": ["Product 7"]}
    visits = crew.visits("alice")
    assert {place for _, place, _ in visits} == {LOGIN, CART, CHECKOUT}
    assert {address for _, _, address in visits} == {proxy.exit_address}
    served = {welcome.proxy, added.proxy, checkout.proxy}
    assert (len(served), checkout.generation) == (1, 1)


def test_the_site_refuses_the_visitor_who_comes_from_another_address(
    crew: Crew, limpet: Limpet
) -> None:
    site = crew.lab.site
    fields: dict[str, Any] = {"pool": crew.pool, "session": "mover"}
    login = limpet.render(f"{site}/store/login", steps=LOG_IN, **fields)
    before = login.get(timeout=WITHIN)
    ids = [parse_proxy(one.line).id for one in crew.lab.proxies]
    other = next(one for one in ids if one != before.proxy)
    crew.sessions.migrate("mover", other)

    refused = limpet.render(
        f"{site}/store/checkout", blocks={"detect": False}, **fields
    ).get(timeout=WITHIN)
    blocked = limpet.render(f"{site}/store/checkout", max_age=0.01, **fields)

    assert (refused.status, refused.title) == (403, "Who are you?")
    assert refused.proxy == other
    with pytest.raises(JobFailed, match=r"blocked \(blame: block\): status 403"):
        blocked.get(timeout=WITHIN)


def test_a_session_counts_its_pages_in_a_browser(crew: Crew, limpet: Limpet) -> None:
    fields: dict[str, Any] = {"pool": crew.pool, "session": "counted"}
    for _ in range(2):
        limpet.render(f"{crew.lab.site}/whoami", **fields).get(timeout=WITHIN)
    limpet.scrape(f"{crew.lab.site}/whoami", **fields).get(timeout=WITHIN)

    found, stats = crew.sessions.get("counted"), crew.sessions.stats()

    assert found is not None
    assert (found.requests, found.rendered, found.measured) == (3, 2, 1)
    assert 0 < found.render_ms(0.5) <= found.render_ms(0.95)
    assert found.render_mean_ms > 0
    assert (sum(stats.renders.values()), sum(stats.times.values())) == (2, 1)
    assert found.bytes > 0


def test_scrape_and_render_show_one_user_agent(crew: Crew, limpet: Limpet) -> None:
    fields: dict[str, Any] = {"pool": crew.pool, "session": "agent"}
    rules = {"agent": {"css": "pre", "regex": '"user-agent": ?"([^"]*)"'}}
    url = f"{crew.lab.site}/whoami"

    first = limpet.render(url, user_agent="My/1.0", extract=rules, **fields)
    first_agent = first.get(timeout=WITHIN).data
    plain = limpet.scrape(url, **fields).get(timeout=WITHIN).text or ""
    again = limpet.render(url, user_agent="Other/2.0", extract=rules, **fields)

    assert first_agent == again.get(timeout=WITHIN).data == {"agent": "My/1.0"}
    assert json.loads(plain)["headers"]["user-agent"] == "My/1.0"


def test_files_are_in_the_artifact_store_and_not_in_the_result(
    crew: Crew, limpet: Limpet, tmp_path: Path
) -> None:
    steps = [
        {"do": "screenshot", "name": "all", "full": True},
        {"do": "screenshot", "name": "one", "selector": "h1"},
        {"do": "pdf"},
        {"do": "html", "name": "source"},
    ]

    page = limpet.render(
        f"{crew.lab.site}/shop/files/1", steps=steps, pool=crew.pool, store="body"
    ).get(timeout=WITHIN)

    begins = {"all": b"\x89PNG", "one": b"\x89PNG", "page": b"%PDF", "source": b"<html"}
    assert {one.name for one in page.files} == set(begins)
    folder = crew.stack.folder / "artifacts"
    for one in page.files:
        sha = one.sha256
        body = (folder / sha[:2] / sha[2:4] / sha).read_bytes()
        assert hashlib.sha256(body).hexdigest() == sha
        assert (len(body), body.startswith(begins[one.name])) == (one.size, True)
    assert page.artifact == page.file("source").sha256
    shown = crew.stack.manage("results", "show", page.job, "--json")
    assert json.loads(shown.stdout)["artifact"] == page.artifact


def test_a_step_that_fails_is_named_and_pictured(crew: Crew, limpet: Limpet) -> None:
    steps = [
        {"do": "click", "selector": "h1"},
        {"do": "fill", "selector": "#nobody", "value": "S3cret", "timeout": 0.5},
    ]

    job = limpet.render(f"{crew.lab.site}/shop/step/1", steps=steps, pool=crew.pool)

    with pytest.raises(JobFailed) as failed:
        job.get(timeout=WITHIN)
    text = str(failed.value)
    assert "step 2 (fill '#nobody'): nothing like it in the page within 0.5 s" in text
    assert "S3cret" not in text
    sha = text.rpartition(": ")[2]
    body = crew.stack.folder / "artifacts" / sha[:2] / sha[2:4] / sha
    assert body.read_bytes().startswith(b"\x89PNG")


def test_scripts_of_a_job_are_refused_unless_allowed(
    crew: Crew, limpet: Limpet
) -> None:
    steps: Any = [{"do": "evaluate", "script": "1 + 1", "name": "two"}]

    job = limpet.render(f"{crew.lab.site}/whoami", steps=steps, pool=crew.pool)

    with pytest.raises(InvalidJob, match="LIMPET_RENDER_ALLOW_JS"):
        job.get(timeout=WITHIN)


@pytest.mark.parametrize("task", ["scrape", "render"])
def test_a_dead_proxy_is_blamed_for_a_page_as_for_a_fetch(
    crew: Crew, free_port: Callable[[], int], task: str
) -> None:
    line = f"http://u:p@127.0.0.1:{free_port()}"
    crew.use(f"dead-{task}", line)
    job = {"url": f"{crew.lab.site}/whoami", "pool": crew.pool, "max_age": 0.01}

    sent = crew.app.send_task(task, kwargs=job, queue=task)
    failed = sent.get(timeout=WITHIN, propagate=False)

    assert "connect (blame: proxy): the proxy cannot be reached" in str(failed)
    key = f"{{{crew.pool}}}:d:{parse_proxy(line).id}"
    assert crew.redis.hget(key, "fails") == b"1"
    assert crew.sessions.stats().counters["faults"] == 1


def test_what_is_typed_and_sent_is_in_no_log_failure_or_event(
    crew: Crew, limpet: Limpet
) -> None:
    url = f"{crew.lab.site}/store/login?token=Qu3ryS3cret"
    typed = [
        {"do": "fill", "selector": "#user", "value": "F1llS3cret"},
        {"do": "fill", "selector": "#nobody", "value": "F1llS3cret", "timeout": 0.2},
    ]
    headers = {"X-Api-Key": "Head3rS3cret"}

    job = limpet.render(url, pool=crew.pool, steps=typed, headers=headers)

    with pytest.raises(JobFailed) as failed:
        job.get(timeout=WITHIN)
    told = str(failed.value) + crew.stack.log("a").read_text()
    planted = ("F1llS3cret", "Qu3ryS3cret", "Head3rS3cret", "p@ss", "p%40ss", "user1:")
    assert [one for one in planted if one in told] == []


def test_a_page_that_robots_txt_does_not_allow_is_not_opened(
    crew: Crew, limpet: Limpet
) -> None:
    job = limpet.render(f"{crew.lab.site}/private/x", pool=crew.pool, robots=True)

    with pytest.raises(JobFailed, match=r"robots.txt of .* does not allow"):
        job.get(timeout=WITHIN)
    assert crew.visits("x") == []


def test_nothing_is_opened_if_a_step_goes_where_robots_txt_does_not_allow(
    crew: Crew, limpet: Limpet
) -> None:
    job = limpet.render(
        f"{crew.lab.site}/shop/first/1",
        pool=crew.pool,
        robots=True,
        steps=[{"do": "goto", "url": f"{crew.lab.site}/private/y"}],
    )

    with pytest.raises(JobFailed, match=r"robots.txt of .* does not allow"):
        job.get(timeout=WITHIN)
    assert crew.visits("y") == crew.visits("first") == []


def test_the_example_of_the_page_about_such_jobs_runs(crew: Crew) -> None:
    page = (ROOT / "docs" / "render.md").read_text("utf-8")
    [example] = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    example = example.replace("redis://127.0.0.1:6399/0", crew.stack.broker_url)
    example = example.replace(
        "https://shop.example/login", f"{crew.lab.site}/store/login"
    )
    example = example.replace(
        'session="user-42",', f'session="user-42", pool="{crew.pool}",'
    )
    example = example.replace('"#name"', '"#who"')

    done = crew.stack.run("-c", example)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("{'name': 'alice'} ")
