"""Batches by the typed client, done by a real worker."""

import json
import uuid
from typing import TYPE_CHECKING

import pytest
from celery.result import GroupResult
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from lab import Lab
from limpet.client import Limpet
from limpet.client.sending import plan
from limpet.errors import InvalidJob, JobUnfinished, NoSuchBatch, StoreUnavailable
from limpet.jobs.scrape import MAX_URLS

if TYPE_CHECKING:
    from tests.stack import Stack

# Celery's own, of redis-py.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")


def _urls(lab: Lab, visitor: str, number: int) -> list[str]:
    return [f"{lab.site}/shop/{visitor}/{n}" for n in range(number)]


def _visits(lab: Lab, visitor: str) -> int:
    return sum(visit.visitor == visitor for visit in lab.visits())


def _forget_results(running: "Stack") -> int:
    with Redis.from_url(running.broker_url) as broker:
        names = list(broker.scan_iter("celery-task-meta-*"))
        return int(broker.delete(*names))


@settings(max_examples=30)
@given(number=st.integers(1, 4500), sessions=st.integers(1, 30))
def test_a_batch_is_split_evenly_and_wholly(number: int, sessions: int) -> None:
    urls = ["http://x.example/"] * number

    planned = plan("b", urls, sessions=sessions, prefix=None)

    seen = sorted((one.part.first, one.part.count) for one in planned)
    ends = [first + count for first, count in seen]
    assert [first for first, _ in seen] == [0, *ends[:-1]]
    assert ends[-1] == number
    assert all(1 <= count <= MAX_URLS for _, count in seen)
    shares: dict[str, int] = {}
    for one in planned:
        name = one.kwargs["session"]
        shares[name] = shares.get(name, 0) + one.part.count
    assert len(shares) == min(sessions, number)
    assert max(shares.values()) - min(shares.values()) <= 1
    assert len({one.part.id for one in planned}) == len(planned)


def test_the_first_jobs_of_all_sessions_come_first() -> None:
    urls = [f"http://x.example/{n}" for n in range(2500)]

    planned = plan("b", urls, sessions=2, prefix="p")

    names = [one.kwargs["session"] for one in planned]
    assert names == ["p-0", "p-1", "p-0", "p-1"]
    assert {one.kwargs["max_age"] for one in planned} == {1250 * 30.0}


def test_a_batch_waits_a_week_at_most() -> None:
    urls = ["http://x.example/"] * 21_000

    [first, *_] = plan("b", urls, sessions=1, prefix=None)

    assert first.kwargs["max_age"] == 7 * 86_400


def test_pages_come_as_their_jobs_end_each_with_its_index(
    limpet: Limpet, lab: Lab
) -> None:
    urls = _urls(lab, "batch", 50)

    batch = limpet.scrape_batch(urls, sessions=5)
    pages = list(batch.results(timeout=60))

    assert sorted(page.index for page in pages) == list(range(50))
    assert all(page.ok and page.url == urls[page.index] for page in pages)
    assert len(batch.jobs) == 5
    progress = batch.progress()
    assert (progress.total, progress.done, progress.left) == (50, 50, 0)
    assert (progress.jobs, progress.ended) == (5, 5)
    assert {job.get(timeout=60).session for job in batch.jobs} == {
        f"{batch.id}-{n}" for n in range(5)
    }
    assert _visits(lab, "batch") == 50


def test_a_batch_is_found_again_by_its_id(
    running: "Stack", limpet: Limpet, lab: Lab
) -> None:
    sent = limpet.scrape_batch(_urls(lab, "again", 6), sessions=2, prefix="again")

    with Limpet(running.broker_url) as other:
        found = other.batch(sent.id)
        pages = list(found.results(timeout=60))

    assert sorted(page.index for page in pages) == list(range(6))
    assert (len(found), len(found.jobs)) == (6, 2)


def test_a_batch_is_a_group_of_celery_s(
    running: "Stack", limpet: Limpet, lab: Lab
) -> None:
    batch = limpet.scrape_batch(_urls(lab, "group", 4), sessions=2)
    list(batch.results(timeout=60))

    group = GroupResult.restore(batch.id, app=running.app())

    assert [one["done"] for one in group.get(timeout=60)] == [2, 2]


def test_what_is_done_is_not_fetched_again(
    running: "Stack", limpet: Limpet, lab: Lab
) -> None:
    urls = _urls(lab, "twice", 9)
    first = limpet.scrape_batch(urls, sessions=3)
    list(first.results(timeout=60))

    again = limpet.scrape_batch(urls, sessions=3, batch_id=first.id)
    read = list(again.results(timeout=5))
    _forget_results(running)
    lost = limpet.scrape_batch(urls, sessions=3, batch_id=first.id)
    noted = list(lost.results(timeout=60))

    assert [page.ok for page in read] == [page.ok for page in noted] == [True] * 9
    assert _visits(lab, "twice") == 9


def test_another_batch_does_not_get_its_id(limpet: Limpet, lab: Lab) -> None:
    first = limpet.scrape_batch(_urls(lab, "mine", 3), sessions=1)

    with pytest.raises(InvalidJob, match="batch_id: is that of a batch with other"):
        limpet.scrape_batch(_urls(lab, "other", 3), sessions=1, batch_id=first.id)
    with pytest.raises(InvalidJob, match="batch_id: is that of a batch with other"):
        limpet.scrape_batch(_urls(lab, "mine", 3), sessions=2, batch_id=first.id)


def test_a_job_that_failed_is_sent_again(
    running: "Stack", limpet: Limpet, lab: Lab
) -> None:
    urls, pool = _urls(lab, "later", 4), f"p{uuid.uuid4().hex[:8]}"
    batch = limpet.scrape_batch(urls, sessions=1, pool=pool)
    without = list(batch.results(timeout=60))
    failed = batch.progress()

    line = lab.proxies[0].line
    running.manage("proxies", "import", "-", "--pool", pool, stdin=line)
    again = limpet.scrape_batch(urls, sessions=1, pool=pool, batch_id=batch.id)
    pages = list(again.results(timeout=60))

    assert [page.final for page in without] == [False] * 4
    assert "has no proxy that is in use" in (without[0].error or "")
    assert (failed.failed, failed.left) == (4, 0)
    assert [page.ok for page in pages] == [True] * 4


def test_a_batch_can_be_cancelled(limpet: Limpet, lab: Lab) -> None:
    urls = [f"{url}?delay=1" for url in _urls(lab, "dropped", 40)]
    batch = limpet.scrape_batch(urls, sessions=20)

    batch.cancel()
    pages = list(batch.results(timeout=60))

    assert len(pages) == 40
    dropped = [page for page in pages if not page.final]
    assert {page.error for page in dropped} == {"the job was cancelled"}
    assert batch.progress().left == len(dropped)


def test_waiting_for_a_batch_has_an_end(limpet: Limpet, lab: Lab) -> None:
    urls = [f"{url}?delay=1" for url in _urls(lab, "waited", 2)]
    batch = limpet.scrape_batch(urls, sessions=1)

    with pytest.raises(JobUnfinished):
        list(batch.results(timeout=0.1))

    assert len(list(batch.results(timeout=60))) == 2


def test_a_batch_that_nobody_sent_is_an_error(running: "Stack", limpet: Limpet) -> None:
    with Redis.from_url(running.broker_url) as broker:
        result = {"result": [["someones", None], [[["a-job", None], None]]]}
        broker.set("celery-taskset-meta-someones", json.dumps(result), ex=60)

    for name in ("nobody", "someones"):
        with pytest.raises(NoSuchBatch):
            limpet.batch(name)


def test_a_batch_is_checked_before_anything_is_sent() -> None:
    nobody = Limpet("redis://127.0.0.1:1/0")
    good = "http://x.example/"

    with pytest.raises(InvalidJob, match=r"urls\.1: must be an http.*; urls\.2: "):
        nobody.scrape_batch([good, "x", "y"])
    with pytest.raises(InvalidJob, match=r"urls: .* at least 1"):
        nobody.scrape_batch([])
    for number in (0, 10_001, True, "5"):
        with pytest.raises(InvalidJob, match="sessions: must be from 1 to"):
            nobody.scrape_batch([good], sessions=number)  # type: ignore[arg-type] # wrong
    with pytest.raises(InvalidJob, match="urls: must be a list of URLs"):
        nobody.scrape_batch(good)
    with pytest.raises(InvalidJob, match="session: a batch names its own sessions"):
        nobody.scrape_batch([good], session="s")
    with pytest.raises(InvalidJob, match="prefix: must be 1 to 120 of"):
        nobody.scrape_batch([good], prefix="with spaces")
    with pytest.raises(InvalidJob, match=r"; and \d+ more"):
        nobody.scrape_batch(["x"] * 500)
    with pytest.raises(StoreUnavailable):
        nobody.scrape_batch([good])
