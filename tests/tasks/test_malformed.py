"""Whatever lies on a queue and is no job gets one clear error, and costs no worker."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from limpet.errors import InvalidJob
from limpet.jobs import FetchJob, ScrapeJob, ScrapeManyJob

if TYPE_CHECKING:
    from tests.stack import Stack

Eventually = Callable[..., None]

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

#: What ends a message: the tasks that are to follow. Drawn as JSON it would take long.
FOLLOWS: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, {}, {}, {}, 5, "x", [], [5], {"id": ""}, {"id": 5}, {"headers": 5}),
        *({"callbacks": 5}, {"errbacks": [5]}, {"chain": [[]]}, {"chord": []}),
        *({"chain": [{"task": "x"}]}, {"chord": {"task": 5}}),
    ]
)

CHECKS = list(HealthCheck)
PLACE = {"delivery_info": {"exchange": "", "routing_key": "scrape"}}
#: A good job of each task.
GOOD: dict[str, tuple[type[FetchJob], dict[str, Any]]] = {
    "scrape": (ScrapeJob, {"url": "http://127.0.0.1/"}),
    "scrape_many": (
        ScrapeManyJob,
        {"urls": ["http://127.0.0.1/", "http://127.0.0.2/"]},
    ),
}
FIELDS = {
    task: sorted({one.alias or name for name, one in kind.model_fields.items()})
    for task, (kind, _) in GOOD.items()
}
#: What is wrong in most fields, near the bounds of some, and what sets keep from it.
VALUES = (
    JSON
    | st.text(max_size=40)
    | st.sampled_from([-1, 0, 301, 1e400, 2**70, "", "~", "\0", "GET ", [], {}, [None]])
    | st.sampled_from(["http://", "ftp://h/", "http://u:p@h/", "//h/", "http://h:0/"])
    | st.lists(st.text(max_size=5), max_size=3)
)


def refusal(task: str, job: dict[str, Any]) -> str:
    """Return what the client says of a job; nothing of one that can be done."""
    kind, _ = GOOD[task]
    try:
        kind.parse((), json.loads(json.dumps(job)), timeout_below=math.inf)
    except InvalidJob as error:
        return str(error)
    return ""


def wrong_jobs(value: object, name: str) -> Iterator[dict[str, Any]]:
    """Give messages of jobs that are good but for *value* in one field, or *name*."""
    for task, (_, good) in GOOD.items():
        for field in (*FIELDS[task], name):
            job = {**good, field: value}
            if why := refusal(task, job):
                yield {
                    "body": json.dumps([[], job, {}]),
                    "content-type": "application/json",
                    "content-encoding": "utf-8",
                    "headers": {"task": task, "lang": "py"},
                    "properties": dict(PLACE),
                    "why": why,
                }


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
    body = json.dumps([draw(st.just([]) | JSON), kwargs, draw(FOLLOWS)])
    return {
        "body": draw(st.just(body) | st.text(max_size=20) | JSON.map(json.dumps)),
        "content-type": draw(st.sampled_from(["application/json", "text/plain", "x"])),
        "content-encoding": draw(st.sampled_from(["utf-8", "binary", "no-such"])),
        "headers": draw(st.just(headers) | JSON) if kind == 2 else headers,
        "properties": {
            **PLACE,
            "priority": draw(st.just(0) | JSON),
        },
    }


def _message(template: dict[str, Any] | bytes, number: int) -> tuple[bytes, str, str]:
    """Return the message, its id, which it may not have, and what the client says."""
    if isinstance(template, bytes):
        return template + str(number).encode(), "", ""
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
    why = whole.pop("why", "")
    return json.dumps(whole).encode(), name, why


class Sender:
    """Puts what is no job on the queue; knows of each id what the client would say."""

    def __init__(self, broker: Redis) -> None:
        self.why: dict[str, str] = {}
        self.sent = 0
        self._broker = broker

    def send(self, some: Iterable[dict[str, Any] | bytes]) -> None:
        texts = []
        for one in some:
            text, name, reason = _message(one, self.sent)
            self.sent += 1
            texts.append(text)
            if name:
                self.why[name] = reason
        if texts:
            self._broker.lpush("scrape", *texts)

    def send_all(self) -> None:
        @settings(max_examples=185, database=None, suppress_health_check=CHECKS)
        @given(VALUES, st.text(min_size=1, max_size=8))
        def jobs(value: object, name: str) -> None:
            self.send(wrong_jobs(value, name))

        @settings(max_examples=100, database=None, suppress_health_check=CHECKS)
        @given(st.lists(templates(), min_size=20, max_size=20))
        def messages(some: list[dict[str, Any] | bytes]) -> None:
            self.send(some)

        jobs()
        messages()


@pytest.mark.timeout(400)
def test_ten_thousand_messages_that_are_no_jobs_leave_a_worker_as_it_was(
    stack: "Stack", redis_port: int, eventually: Eventually
) -> None:
    assert stack.manage("migrate").returncode == 0
    worker = stack.worker(LIMPET_LOG_LEVEL="ERROR")
    broker = Redis(port=redis_port, db=0)
    sender = Sender(broker)
    sender.send_all()
    why = sender.why

    def done() -> bool:
        waiting = broker.hlen("unacked_waiting")
        return broker.llen("scrape") == broker.hlen("unacked") == waiting == 0

    eventually(done, within=250)
    assert sender.sent >= 10_000
    good = stack.app().send_task("scrape", kwargs={"url": "x"}, queue="scrape")
    assert str(good.get(timeout=20, propagate=False)).startswith("url: must be")
    assert worker.poll() is None
    found = broker.mget([f"celery-task-meta-{name}" for name in why])
    results = [json.loads(one) for one in found if one]
    assert len(results) == len(why)
    assert {one["status"] for one in results} == {"FAILURE"}
    assert all(one["result"]["exc_message"] for one in results)
    # A worker says of a job what the client would have said.
    told = {one["task_id"]: str(one["result"]["exc_message"][0]) for one in results}
    assert {name: told[name] for name, text in why.items() if text} == {
        name: text for name, text in why.items() if text
    }
    assert sum(map(bool, why.values())) > 3000
    assert "Traceback" not in stack.log("worker").read_text()
    purged = stack.manage("dead", "purge", "--all", "--yes", "--json")
    assert json.loads(purged.stdout)["removed"] > 0
    assert broker.hlen("unacked_parked") == 0
