"""Pages that are fetched again: which death explains one, and which does not."""

from dataclasses import replace

import pytest

from tests.chaos.good import GOOD, broken, result, visit
from tests.chaos.storm.history import Death, Job


def test_a_job_that_was_sent_twice_may_be_done_twice() -> None:
    jobs = (replace(GOOD.jobs[0], resent=True), GOOD.jobs[1])
    visits = (visit(0, 0, 10), visit(1, 0, 18), visit(2, 1, 20))

    found = broken(jobs=jobs, visits=visits, results=(result(0, 1), result(1, 2)))

    assert found == []


def _again(*deaths: Death, at: float = 18) -> list[str]:
    """What is broken when the first job's page is fetched again, after 8 s or *at*."""
    visits = (visit(0, 0, 10), visit(1, 0, at), visit(2, 1, at + 2))
    results = (result(0, 1), result(1, 2))
    return broken(visits=visits, results=results, deaths=deaths)


def test_a_page_that_is_fetched_again_for_no_reason_is_seen() -> None:
    assert _again() == ["no repeat without a death"]


@pytest.mark.parametrize(
    "death",
    [
        Death("worker", "w1", 10.2, 11),
        Death("machine", "w1", 10.2, 11),
        Death("pool child", "w1", 10.2, 10.2),
        Death("broker", "broker", 12, 13),
        Death("session Redis", "session Redis", 9, 10.2),
        Death("proxy", "127.0.7.1", 10.6, 11),
        Death("frozen worker", "w2", 9, 17, frozenset({0})),
        # Its job was somewhere on its way, and is there twice since.
        Death("machine", "w2", 9, 11, frozenset({0})),
        Death("broker", "broker", 9, 9.5, frozenset({0})),
        Death("pool child", "w2", 9, 9, held=None),
    ],
    ids=lambda death: f"{death.kind}-{death.at}",
)
def test_a_death_explains_a_page_that_is_fetched_again(death: Death) -> None:
    assert _again(death) == []


@pytest.mark.parametrize(
    "death",
    [
        Death("worker", "w2", 10.2, 11, frozenset({1})),
        Death("worker", "w1", 9, 9.5),
        Death("worker", "w1", 18.1, 19),
        Death("broker", "broker", 18.1, 19),
        Death("session Redis", "session Redis", 8, 9),
        Death("proxy", "127.0.7.2", 10.2, 11),
        Death("proxy", "127.0.7.1", 15, 16),
        Death("beat", "beat", 10.2, 11),
        Death("Flower", "Flower", 10.2, 11),
        # It did not have the job, or not for long enough.
        Death("frozen worker", "w1", 9, 17, frozenset({1})),
        Death("frozen worker", "w1", 9, 14, frozenset({0})),
    ],
    ids=lambda death: f"{death.kind}-{death.target}-{death.at}-{death.until}",
)
def test_a_death_of_something_else_explains_nothing(death: Death) -> None:
    assert _again(death) == ["no repeat without a death"]


@pytest.mark.parametrize(
    "death",
    [
        Death("session Redis", "session Redis", 500, 501),
        Death("broker", "broker", 500, 501),
        Death("worker", "w1", 500, 501),
        Death("pool child", "w1", 500, 500, held=None),
    ],
    ids=lambda death: death.kind,
)
def test_a_death_long_after_a_job_was_done_explains_nothing(death: Death) -> None:
    assert _again(death, at=900) == ["no repeat without a death"]


def test_a_job_that_is_in_hand_for_long_is_not_done() -> None:
    death = Death("worker", "w1", 500, 501, frozenset({0}))

    assert _again(death, at=900) == []


def test_a_job_of_many_pages_is_at_work_until_its_last_one() -> None:
    jobs = (Job(0, "scrape_many", "s", pages=2), GOOD.jobs[1])
    page = visit(1, 0, 34, item=1)
    visits = (visit(0, 0, 10), page, visit(2, 0, 42), visit(3, 1, 44))
    results = (result(0, 2, 1, proxy=""), result(1, 3))
    deaths = (Death("session Redis", "session Redis", 37, 37.5),)

    assert broken(jobs=jobs, visits=visits, results=results, deaths=deaths) == []
