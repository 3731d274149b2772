"""Many pages of one session as one job."""

import re
from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest

from lab import Lab
from tests.integration.crew import Crew

Eventually = Callable[..., None]


@pytest.fixture(scope="module")
def own_crew(crew_with: Callable[..., Crew]) -> Crew:
    return crew_with(LIMPET_WORKER_THREADS="4")


def _shop(crew: Crew, visitor: str, count: int, query: str = "") -> list[str]:
    site = crew.lab.site
    return [f"{site}/shop/{visitor}/{n}{query}" for n in range(count)]


def _states(result: Any, eventually: Eventually) -> list[dict[str, int]]:
    """Return what a job's state told until it was done."""
    told: list[dict[str, int]] = []

    def done() -> bool:
        # At once: the state may be another one by the next question.
        meta = result.backend.get_task_meta(result.id, cache=False)
        if meta["status"] == "PROGRESS" and meta["result"] not in told:
            told.append(meta["result"])
        return bool(result.ready())

    eventually(done, within=60)
    return told


def test_a_thousand_pages_come_over_one_connection(
    crew: Crew, eventually: Eventually
) -> None:
    urls = [f"{crew.lab.site}/whoami?n={n}" for n in range(1000)]
    rules = {"port": {"jmespath": "port"}, "address": {"jmespath": "address"}}

    job = crew.send("scrape_many", urls=urls, session="s", extract=rules)
    told = _states(job, eventually)
    found = job.get()

    assert (found["total"], found["done"], found["failed"]) == (1000, 1000, 0)
    assert (found["left"], found["stopped"], found["session"]) == (0, None, "s")
    assert [page["item"] for page in found["pages"]] == list(range(1000))
    assert [page["url"] for page in found["pages"]] == urls
    assert len({page["data"]["port"] for page in found["pages"]}) == 1
    assert len({page["proxy"] for page in found["pages"]}) == 1
    session = crew.sessions.get("s")
    assert session
    assert (session.requests, session.measured) == (1000, 1000)
    assert told, "the job was seen at work"
    assert all(one["total"] == 1000 for one in told)
    assert [one["done"] for one in told] == sorted({one["done"] for one in told})


def test_each_page_has_an_outcome_of_its_own(crew: Crew) -> None:
    site = crew.lab.site
    urls = [
        f"{site}/shop/mixed/0",
        f"{site}/status/404",
        f"{site}/redirect-to?url=http://10.0.0.1/secret",
        f"{site}/private/x",
        f"{site}/redirect-to?url=/shop/mixed/5",
        f"{site}/shop/mixed/6",
    ]
    rules = {"seen": {"css": "#seen", "type": "int", "required": True}}

    found = crew.do("scrape_many", urls=urls, session="s", robots=True, extract=rules)
    pages = found["pages"]

    assert (found["done"], found["failed"], found["stopped"]) == (3, 3, None)
    assert (pages[0]["status"], pages[0]["data"]) == (200, {"seen": 1})
    assert re.match(
        r"proxy \w+: the page came \(\d+ ms\), then extract.seen: ", pages[1]["error"]
    )
    assert pages[2]["error"].startswith("the address is refused: 10.0.0.1")
    assert pages[3]["error"].startswith("robots.txt of '127.0.0.1' does not allow")
    assert pages[4]["url"] == f"{site}/shop/mixed/5"
    assert [pages[n]["data"]["seen"] for n in (4, 5)] == [2, 3], "cookies stay"


def test_a_page_that_is_blocked_is_had_through_another_proxy(crew: Crew) -> None:
    who = f"{crew.lab.site}/whoami"
    rules = {"address": {"jmespath": "address"}}
    first = crew.do("scrape", url=who, session="s", extract=rules)
    urls = [f"{crew.lab.site}/unless/{first['data']['address']}", who]

    found = crew.do("scrape_many", urls=urls, session="s")

    assert (found["done"], found["failed"]) == (2, 0)
    assert [page["generation"] for page in found["pages"]] == [2, 2]
    assert first["proxy"] not in {page["proxy"] for page in found["pages"]}


def test_no_session_makes_more_requests_than_it_may(crew: Crew) -> None:
    rules = {"seen": {"css": "#seen", "type": "int"}}
    job: dict[str, Any] = {"urls": _shop(crew, "counted", 17), "extract": rules}

    found = crew.do("scrape_many", session="s", max_requests=5, **job)

    lives = [page["data"]["seen"] for page in found["pages"]]
    assert lives == [1, 2, 3, 4, 5] * 3 + [1, 2]
    session = crew.sessions.get("s")
    assert session
    assert (session.requests, session.max_requests) == (2, 5)


def test_a_job_without_a_session_leaves_none(crew: Crew) -> None:
    found = crew.do("scrape_many", urls=_shop(crew, "nobody", 40))

    assert (found["done"], found["session"]) == (40, None)
    assert len({visit.address for visit in crew.visits("nobody")}) == 1
    assert crew.sessions.stats().sessions == 0


def test_a_session_that_is_closed_by_hand_stops_its_job(
    crew: Crew, eventually: Eventually
) -> None:
    urls = _shop(crew, "closed", 400)
    job = crew.send("scrape_many", urls=urls, session="s", delay=0.02)
    eventually(lambda: len(crew.visits("closed")) >= 5)

    crew.sessions.close("s")
    found = job.get(timeout=60)

    assert 0 < found["done"] < 400
    assert found["done"] + found["left"] == 400
    assert found["stopped"] == "the lease on session 's' ended before the job did"
    assert crew.sessions.get("s") is None


def test_a_revoked_job_stops_between_two_pages(
    crew: Crew, eventually: Eventually
) -> None:
    urls = _shop(crew, "revoked", 300)
    job = crew.send("scrape_many", urls=urls, session="s", delay=0.05, store="row")
    eventually(lambda: len(crew.visits("revoked")) >= 5)

    job.revoke()
    eventually(job.ready)

    assert str(job.state) == "REVOKED"
    made = len(crew.visits("revoked"))
    assert made < 300
    other = crew.do("scrape", url=urls[-1], session="s")
    assert (other["status"], other["tries"]) == (200, 1), "the session is free"
    assert len(crew.visits("revoked")) == made + 1
    shown = crew.stack.manage("results", "ls", "--job", job.id, "--limit", "500")
    assert shown.stdout.count("/shop/revoked/") == made


def test_a_lease_is_renewed_and_another_job_waits(
    crew: Crew, eventually: Eventually
) -> None:
    urls = _shop(crew, "long", 30)
    job = crew.send("scrape_many", urls=urls, session="s", delay=0.1)
    eventually(lambda: len(crew.visits("long")) >= 2)
    other = crew.send("scrape", url=f"{crew.lab.site}/shop/long/99", session="s")
    leases = set()

    def over() -> bool:
        session = crew.sessions.get("s")
        leases.add(session.lease_until if session else 0)
        return job.ready()

    eventually(over, within=30)

    assert job.get()["done"] == 30
    assert other.get(timeout=60)["status"] == 200
    assert [visit.page for visit in crew.visits("long")] == [*range(30), 99]
    assert len(leases - {0}) >= 3, "each second it is held for longer"


def test_pages_have_a_pause_between_them(crew: Crew) -> None:
    start = crew.redis.time()
    found = crew.do("scrape_many", urls=_shop(crew, "slow", 4), delay=0.5)
    end = crew.redis.time()

    assert found["done"] == 4
    assert (end[0] - start[0]) + (end[1] - start[1]) / 1e6 >= 1.5


def test_data_that_is_too_much_for_a_result_is_left_out_of_it(crew: Crew) -> None:
    urls = [f"{crew.lab.site}/text/900000?n={n}" for n in range(6)]
    rules = {"all": {"regex": "x+"}}

    found = crew.do("scrape_many", urls=urls, extract=rules, store="row")

    kept = [page["data"] is not None for page in found["pages"]]
    assert kept == [True] * 4 + [False] * 2
    assert [page.get("data_left_out") for page in found["pages"][4:]] == [True] * 2
    assert found["done"] == 6


def test_a_post_is_told_of_at_once(crew: Crew) -> None:
    urls = [f"{crew.lab.site}/order/many?n={n}" for n in range(3)]
    slow = f"{crew.lab.site}/order/many?delay=1.5"

    found = crew.do("scrape_many", urls=[*urls, slow], method="POST", timeout=0.5)

    assert (found["done"], found["failed"]) == (3, 1)
    assert "timeout (blame: unknown)" in found["pages"][3]["error"]
    assert len(crew.visits("many")) == 4


def test_a_proxy_that_dies_moves_the_session_once(
    crew: Crew, eventually: Eventually
) -> None:
    with Lab(proxies=2) as own:
        crew.lab = own
        crew.use(f"{crew.pool[:26]}-two", *(one.line for one in own.proxies))
        urls = _shop(crew, "moved", 150)
        job = crew.send("scrape_many", urls=urls, session="s", delay=0.01)
        eventually(lambda: len(crew.visits("moved")) >= 20)
        before = crew.visits("moved")[0].address
        [dead] = [one for one in own.proxies if one.exit_address == before]

        dead.kill()
        found = job.get(timeout=60)
        visits = crew.visits("moved")

    assert (found["done"], found["failed"], found["stopped"]) == (150, 0, None)
    assert [page["generation"] for page in found["pages"]] == sorted(
        page["generation"] for page in found["pages"]
    )
    assert found["pages"][-1]["generation"] == 2
    assert {visit.page for visit in visits} == set(range(150))
    assert len([a for a, _ in groupby(visit.address for visit in visits)]) == 2
    assert len(visits) <= 151


def test_what_there_is_is_returned_when_no_proxy_is_left(
    crew: Crew, eventually: Eventually
) -> None:
    with Lab(proxies=1) as own:
        crew.lab = own
        crew.use(f"{crew.pool[:26]}-none", own.proxies[0].line)
        urls = _shop(crew, "partial", 100)
        job = crew.send("scrape_many", urls=urls, session="s", delay=0.02, max_age=4.0)
        eventually(lambda: len(crew.visits("partial")) >= 10)

        own.proxies[0].kill()
        found = job.get(timeout=60)

    assert found["done"] >= 10
    assert found["done"] + found["failed"] + found["left"] == 100
    assert found["left"] > 0
    assert "no proxy of pool" in found["stopped"]


def test_nothing_is_left_of_a_job_but_what_expires(crew: Crew) -> None:
    found = crew.do("scrape_many", urls=_shop(crew, "clean", 3), session="s")

    assert found["done"] == 3
    [notes] = crew.redis.scan_iter(f"{{{crew.pool}}}:pg:*")
    assert 0 < crew.redis.ttl(notes) <= 200, "the result has it all"
