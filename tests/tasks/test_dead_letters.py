"""Whatever ends without success is kept, once, and told as one clear error."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from redis import Redis
from sqlalchemy import text

from limpet import schema
from limpet.dead import DeadLetters, Letter, Reason, dead_counts, tables
from limpet.errors import StoreUnavailable
from limpet.sealing import Sealer
from limpet.settings import Settings

if TYPE_CHECKING:
    from tests.conftest import Stack

Eventually = Callable[..., None]


@pytest.fixture
def config(redis: Redis, redis_port: int, tmp_path: Path) -> Settings:
    url = SecretStr(f"redis://127.0.0.1:{redis_port}/1")
    return Settings(redis_url=url, state_dir=tmp_path / "state")


def _letter(name: str = "a", **fields: Any) -> Letter:
    given_ = {"reason": Reason.FAILED, "error": "e", "task": "scrape", "queue": "q"}
    return Letter.seal(Sealer(), {"args": [], "kwargs": {}}, id=name, **given_ | fields)


def test_letters_wait_in_redis_until_sql_is_there(config: Settings) -> None:
    config.make_state_dir()
    letters = DeadLetters(config)
    letters.bury(_letter())
    letters.bury(_letter(error="later"))
    with pytest.raises(StoreUnavailable):
        letters.move()

    schema.upgrade(config)
    moved = letters.move()

    assert (moved, letters.move()) == (1, 0)
    [kept] = tables.load(letters.engine)
    assert (kept.id, kept.error) == ("a", "later")
    assert dead_counts(config) == {"failed": 1}


def test_a_letter_that_dies_again_is_one_letter(config: Settings) -> None:
    schema.upgrade(config)
    letters = DeadLetters(config)
    for error in ("first", "second"):
        letters.bury(_letter(error=error))
        letters.move()

    [kept] = tables.load(letters.engine)
    assert kept.error == "second"
    assert dead_counts(config) == {"failed": 2}


def test_what_comes_from_outside_is_bounded(config: Settings) -> None:
    schema.upgrade(config)
    letters = DeadLetters(config)
    long = "x" * 3_000_000
    letters.bury(_letter("i" * 300, error=f"\0\ud800{long}", task=long))
    huge = {"args": [long], "kwargs": {}}
    names = {"id": "huge", "task": "t", "queue": "q"}
    letters.bury(Letter.seal(Sealer(), huge, reason=Reason.INVALID, error="e", **names))

    letters.move()

    kept = {one.id[:4]: one for one in tables.load(letters.engine)}
    assert len(kept["iiii"].id) == len(kept["iiii"].task) == 255
    assert len(kept["iiii"].error) == 2000
    assert kept["huge"].contents(Sealer()) == {}


def test_old_letters_are_forgotten(config: Settings) -> None:
    schema.upgrade(config)
    letters = DeadLetters(config)
    letters.bury(_letter("old"))
    letters.bury(_letter("new"))
    letters.move()
    with letters.engine.begin() as connection:
        old = "UPDATE dead_letters SET at = '2020-01-01 00:00:00.0' WHERE id = 'old'"
        connection.execute(text(old))

    assert letters.expire() == 1
    assert [one.id for one in tables.load(letters.engine)] == ["new"]


#: JSON of any shape, with the words that messages are made of.
WORDS = st.sampled_from(
    [
        *("id", "task", "args", "kwargs", "eta", "expires", "retries", "url", "group"),
        *("timelimit", "chord", "root_id", "headers", "limpet", "session", "scrape"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)


@st.composite
def templates(draw: st.DrawFn) -> dict[str, Any] | bytes:
    """Return what may lie on a queue and is no job; without an id and a tag."""
    kind = draw(st.integers(0, 19))
    if kind == 0:
        return draw(st.binary(max_size=60))
    if kind == 1:
        return json.dumps(draw(JSON)).encode()
    headers = draw(st.dictionaries(WORDS, JSON, max_size=3))
    headers["task"] = draw(st.sampled_from(["scrape", "scrap", "bench.x"]))
    kwargs = draw(st.dictionaries(WORDS.filter(lambda word: word != "url"), JSON))
    body = json.dumps([draw(st.just([]) | JSON), kwargs, {}])
    return {
        "body": draw(st.just(body) | st.text(max_size=20) | JSON.map(json.dumps)),
        "content-type": draw(st.sampled_from(["application/json", "text/plain", "x"])),
        "content-encoding": draw(st.sampled_from(["utf-8", "binary", "no-such"])),
        "headers": draw(st.just(headers) | JSON) if kind == 2 else headers,
        "properties": {
            "delivery_info": {"exchange": "", "routing_key": "scrape"},
            "priority": draw(st.just(0) | JSON),
        },
    }


def _message(template: dict[str, Any] | bytes, number: int) -> tuple[bytes, str]:
    """Return the message and its id, which it may not have."""
    if isinstance(template, bytes):
        return template + str(number).encode(), ""
    headers, name = template["headers"], ""
    if isinstance(headers, dict) and "task" in headers and number % 5:
        name = f"bad-{number}"
        headers = {**headers, "id": name}
        # Not malformed: a wish that is fulfilled, much later or never.
        for wish in ("eta", "expires"):
            if not isinstance(headers.get(wish), str):
                headers.pop(wish, None)
    properties = {**template["properties"], "delivery_tag": f"tag-{number}"}
    whole = {**template, "headers": headers, "properties": properties}
    return json.dumps(whole).encode(), name


@pytest.mark.timeout(400)
def test_ten_thousand_messages_that_are_no_jobs_leave_a_worker_as_it_was(
    stack: "Stack", redis_port: int, eventually: Eventually
) -> None:
    assert stack.manage("migrate").returncode == 0
    worker = stack.worker(LIMPET_LOG_LEVEL="ERROR")
    broker = Redis(port=redis_port, db=0)
    ids: list[str] = []
    numbers = count()

    @settings(max_examples=2000, database=None, suppress_health_check=list(HealthCheck))
    @given(templates())
    def send(template: dict[str, Any] | bytes) -> None:
        sent = [_message(template, next(numbers)) for _ in range(5)]
        ids.extend(name for _, name in sent if name)
        broker.lpush("scrape", *(one for one, _ in sent))

    send()

    def done() -> bool:
        return broker.llen("scrape") == broker.hlen("unacked") == 0

    eventually(done, within=250)
    assert next(numbers) >= 10_000
    good = stack.app().send_task("scrape", kwargs={"url": "x"}, queue="scrape")
    assert str(good.get(timeout=20, propagate=False)).startswith("url: must be")
    assert worker.poll() is None
    found = broker.mget([f"celery-task-meta-{name}" for name in ids])
    results = [json.loads(one) for one in found if one]
    assert len(results) == len(ids)
    assert {one["status"] for one in results} == {"FAILURE"}
    assert all(one["result"]["exc_message"] for one in results)
    assert "Traceback" not in stack.log("worker").read_text()
    purged = stack.manage("dead", "purge", "--all", "--yes", "--json")
    assert json.loads(purged.stdout)["removed"] > 0
    assert broker.hlen("unacked_parked") == 0
