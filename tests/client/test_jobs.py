"""Jobs by the typed client, done by a real worker."""

import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from lab import Lab
from limpet.client import Limpet, Page, PageOutcome, Progress
from limpet.errors import (
    InvalidJob,
    JobCancelled,
    JobFailed,
    JobUnfinished,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from tests.stack import Stack

Eventually = Callable[..., None]


def _connections(running: "Stack") -> int:
    with Redis.from_url(running.broker_url) as broker:
        return sum(one["name"] == "limpet-client" for one in broker.client_list())


def test_a_page_comes_back_typed(limpet: Limpet, lab: Lab) -> None:
    url = f"{lab.site}/shop/typed/1?token=S3cret"

    page = limpet.scrape(url, session="typed", timeout=10).get(timeout=30)

    assert (page.status, page.session, page.tries) == (200, "typed", 1)
    assert "Limpet shop, page 1" in (page.text or "")
    assert page.body is None
    assert page.url == url
    assert "S3cret" not in repr(page)
    assert "Limpet shop" not in repr(page)


def test_a_page_that_is_no_text_comes_as_bytes(limpet: Limpet, lab: Lab) -> None:
    page = limpet.scrape(f"{lab.site}/bytes/3").get(timeout=30)

    assert (page.text, page.body) == (None, b"\0\0\0")


def test_rules_are_sent_as_they_were_given(limpet: Limpet, lab: Lab) -> None:
    rules = {"title": "h1", "links": {"css": "li a", "attr": "href", "all": True}}

    page = limpet.scrape(f"{lab.site}/shop/rules/1", extract=rules).get(timeout=30)

    assert page.data["title"] == "Limpet shop, page 1"
    assert page.data["links"][0] == "/shop/rules/1"


def test_what_is_no_job_is_refused_before_it_is_sent() -> None:
    nobody = Limpet("redis://127.0.0.1:1/0")

    with pytest.raises(InvalidJob) as wrong:
        nobody.scrape("ftp://x", timeout=-1, sesion="S3cret")
    with pytest.raises(InvalidJob, match=r"urls\.1: must be an http"):
        nobody.scrape_many(["http://x.example", "x"])
    with pytest.raises(InvalidJob, match="priority: must be from 0"):
        nobody.scrape("http://x.example", priority=10)
    with pytest.raises(InvalidJob, match="task_id: must be 1 to 100"):
        nobody.scrape("http://x.example", task_id="no spaces")

    for field in ("url: must be", "timeout: ", "sesion: there is no such field"):
        assert field in str(wrong.value)
    assert "S3cret" not in str(wrong.value)


def test_the_worker_s_own_words_reach_who_waits(limpet: Limpet, lab: Lab) -> None:
    failed = limpet.scrape(lab.site, pool="nobody")
    wrong = limpet.scrape(lab.site, strategy="nonsense")

    with pytest.raises(JobFailed, match="'nobody' has no proxy that is in use"):
        failed.get(timeout=30)
    with pytest.raises(InvalidJob, match="strategy: must be"):
        wrong.get(timeout=30)
    assert failed.state == "FAILURE"


def test_who_waits_in_vain_is_told_the_state(limpet: Limpet, lab: Lab) -> None:
    slow = limpet.scrape(f"{lab.site}/shop/slow/1?delay=1.5")

    with pytest.raises(JobUnfinished, match=r"after 0\.\d s: .*\((STARTED|PENDING)"):
        slow.get(timeout=0.1)

    assert slow.get(timeout=30).status == 200


def test_a_job_is_found_by_its_id(running: "Stack", limpet: Limpet, lab: Lab) -> None:
    name = f"mine-{uuid.uuid4()}"
    limpet.scrape(f"{lab.site}/shop/id/1", task_id=name)

    with Limpet(running.broker_url) as other:
        page = other.job(name).get(timeout=30)
        unknown = other.job("nobody-knows")

        assert (page.job, unknown.state) == (name, "PENDING")


def test_many_pages_come_back_each_with_its_own_outcome(
    limpet: Limpet, lab: Lab
) -> None:
    urls = [f"{lab.site}/shop/many/1", "http://10.1.2.3/", f"{lab.site}/bytes/3"]

    job = limpet.scrape_many(urls, session="many", timeout=5)
    found = job.get(timeout=60)

    first, second, third = found.pages
    assert (first.ok, first.status, first.index) == (True, 200, 0)
    assert (second.ok, second.index, second.final) == (False, 1, True)
    assert "the address is refused" in (second.error or "")
    assert (third.ok, third.bytes) == (True, 3)
    assert (found.total, found.done, found.failed, found.left) == (3, 2, 1, 0)
    assert job.progress == Progress(3, 2, 1, 0)


def test_the_progress_of_many_pages_can_be_watched(
    limpet: Limpet, lab: Lab, eventually: Eventually
) -> None:
    urls = [f"{lab.site}/shop/watched/{n}?delay=0.3" for n in range(8)]

    job = limpet.scrape_many(urls, session="watched")

    eventually(lambda: (p := job.progress) is not None and 0 < p.done < 8, within=30)
    assert job.state == "PROGRESS"
    assert job.get(timeout=30).done == 8


def test_a_page_that_nobody_came_to_is_not_final() -> None:
    found = PageOutcome.read({"item": 3, "url": "http://x"}, index=3, final=False)

    assert (found.ok, found.final) == (False, False)


def test_a_job_that_has_not_begun_can_be_cancelled(limpet: Limpet, lab: Lab) -> None:
    url = f"{lab.site}/shop/busy/1?delay=2"
    busy = [limpet.scrape(url) for _ in range(6)]

    late = limpet.scrape(f"{lab.site}/shop/cancelled/1")
    late.cancel()

    with pytest.raises(JobCancelled):
        late.get(timeout=30)
    assert [one.get(timeout=30).status for one in busy] == [200] * 6
    assert "cancelled" not in {visit.visitor for visit in lab.visits()}


def test_a_job_of_many_pages_can_be_cancelled_between_two(
    limpet: Limpet, lab: Lab, eventually: Eventually
) -> None:
    urls = [f"{lab.site}/shop/broken-off/{n}?delay=0.5" for n in range(60)]
    job = limpet.scrape_many(urls, session="broken-off")
    eventually(lambda: job.state == "PROGRESS", within=30)

    job.cancel()

    with pytest.raises(JobCancelled):
        job.get(timeout=60)
    assert sum(visit.visitor == "broken-off" for visit in lab.visits()) < 60


def test_who_cancels_is_told_how_many_workers_have_heard(
    limpet: Limpet, eventually: Eventually
) -> None:
    # A second is enough for a worker to answer in, unless the machine is very busy.
    eventually(lambda: limpet.job("nobody-s").cancel() == 1, within=30)


def test_a_job_with_a_key_that_runs_twice_gives_the_same_page(
    limpet: Limpet, lab: Lab
) -> None:
    url = f"{lab.site}/shop/key/1?delay=0.5"

    first, second = (limpet.scrape(url, idempotency_key="once") for _ in range(2))

    one, other = first.get(timeout=30), second.get(timeout=30)
    assert one.text == other.text
    assert {one.duplicate_of, other.duplicate_of} & {first.id, second.id, None}
    assert sum(visit.visitor == "key" for visit in lab.visits()) == 1


def test_waiting_leaves_nothing_behind(
    running: "Stack", lab: Lab, eventually: Eventually
) -> None:
    limpet = Limpet(running.broker_url)
    pages: list[Page] = []

    def some() -> None:
        jobs = [limpet.scrape(f"{lab.site}/bytes/1") for _ in range(5)]
        pages.extend(job.get(timeout=60) for job in jobs)

    threads = [threading.Thread(target=some) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({page.job for page in pages}) == 40
    # Ten to send, of two sockets each, and one for each thread to wait.
    assert _connections(running) <= 2 * 10 + 8
    with Redis.from_url(running.broker_url) as broker:
        assert broker.pubsub_channels("*task-meta*") == []
    limpet.close()
    eventually(lambda: _connections(running) == 0)
    assert limpet.scrape(f"{lab.site}/bytes/1").get(timeout=30).status == 200
    limpet.close()


@pytest.mark.parametrize("listens", [False, True])
def test_a_broker_that_is_away_or_frozen_is_an_error_soon(*, listens: bool) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listens:
            silent.listen(8)
        port = silent.getsockname()[1]
        limpet = Limpet(f"redis://:S3cret@127.0.0.1:{port}/0")
        calls: list[Callable[[], object]] = [
            lambda: limpet.scrape("http://x.example"),
            lambda: limpet.job("x").get(),
            lambda: limpet.job("x").cancel(),
            lambda: limpet.batch("x"),
        ]

        start = time.monotonic()
        for call in calls:
            with pytest.raises(StoreUnavailable) as error:
                call()
            assert "S3cret" not in str(error.value)

    assert time.monotonic() - start < 60


def test_a_broker_that_keeps_no_results_says_so() -> None:
    limpet = Limpet("amqp://guest@127.0.0.1:1//")

    with pytest.raises(Exception, match="result_backend: must be one that all can"):
        limpet.job("x").get()
