"""Jobs whose pages cannot be kept: fetched no more than need be, and told as it was."""

import hashlib
import re
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Eventually
from tests.integration.crew import Crew


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where bodies are kept, once somebody makes a folder of it."""
    return tmp_path_factory.mktemp("store") / "bodies"


@pytest.fixture(scope="module")
def own_crew(crew_with: Callable[..., Crew], bodies: Path) -> Crew:
    return crew_with(LIMPET_JOB_MAX_TRIES="2", LIMPET_ARTIFACTS_URL=str(bodies))


def clear(bodies: Path) -> None:
    """Let nothing be where bodies are kept, as nothing is written that is there."""
    if bodies.exists():
        bodies.rename(bodies.with_name(secrets.token_hex(4)))


@pytest.fixture
def refused(bodies: Path) -> str:
    """A page whose body the store does not take, though it takes others."""
    clear(bodies)
    bodies.mkdir()
    for text in (b"private", b"taken"):
        (bodies / hashlib.sha256(text).hexdigest()[:2]).touch()
    return "/private/lost"


@pytest.fixture
def away(crew: Crew, bodies: Path, eventually: Eventually) -> Path:
    """A store that takes nothing, and a worker that has noticed."""
    clear(bodies)
    bodies.touch()

    def noticed() -> bool:
        url = f"{crew.lab.site}/text/1"
        text = crew.do("scrape", url=url, store="body", max_age=0.1, within=60)
        return str(text).startswith("the store did not do its work")

    eventually(noticed, within=60)
    return bodies


def test_nothing_is_fetched_for_a_store_that_is_away(crew: Crew, away: Path) -> None:
    urls = [f"{crew.lab.site}/private/away"]

    one = crew.do("scrape", url=urls[0], store="body", max_age=2)
    many = crew.do("scrape_many", urls=urls, session="s", store="body", max_age=2)

    for text in (one, many):
        assert "the store did not do its work: cannot write a body" in text
        # Who gives up within a second says no more than that.
        assert text.startswith(("the store", "given up after 0 tries"))
    assert crew.visits("away") == []
    assert away.is_file()


def test_a_page_is_fetched_once_the_store_is_back(
    crew: Crew, away: Path, eventually: Eventually
) -> None:
    url = f"{crew.lab.site}/private/back"
    sent = crew.send("scrape", url=url, store="body")
    log = crew.stack.log("worker")
    eventually(lambda: f"task_id={sent.id}" in log.read_text(), within=20)

    away.unlink()

    assert sent.get(timeout=60)["tries"] == 1
    assert len(crew.visits("back")) == 1


@pytest.mark.parametrize("task", ["scrape", "scrape_many"])
def test_a_page_that_could_not_be_kept_was_a_try(
    crew: Crew, refused: str, task: str
) -> None:
    url = f"{crew.lab.site}{refused}"
    job = {"url": url} if task == "scrape" else {"urls": [url], "session": "s"}

    text = crew.do(task, **job, store="body", within=60)

    assert re.match(
        r"given up after 2 tries in \d.*: proxy \w+: the page came \(\d+ ms\), then "
        r"the store did not do its work: cannot write .*; proxy \w+: the page came",
        text,
    )
    assert len(crew.visits("lost")) == 2


def test_what_is_not_to_be_sent_twice_is_not_for_a_store_s_sake(
    crew: Crew, refused: str
) -> None:
    assert refused
    url = f"{crew.lab.site}/order/once"
    job = {"method": "POST", "form": {"a": 1}, "store": "body"}

    one = crew.do("scrape", url=url, **job, within=60)
    many = crew.do("scrape_many", urls=[url], session="s", **job, within=60)

    assert "given up after 1 try in" in one
    for text in (one, many["pages"][0]["error"]):
        assert "it may have arrived: no POST is sent twice" in text
    assert len(crew.visits("once")) == 2


def test_a_page_that_does_not_give_what_is_wanted_was_a_try(crew: Crew) -> None:
    rules = {"price": {"css": ".price", "required": True}}

    text = crew.do("scrape", url=f"{crew.lab.site}/whoami", extract=rules)

    assert re.fullmatch(
        r"given up after 1 try in \d+\.\d s: proxy \w+: the page came \(\d+ ms\), then "
        r"extract\.price: is required, and the page has none",
        text,
    )
