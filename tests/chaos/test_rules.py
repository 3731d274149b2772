"""The checker of a storm: each rule holds for a good history, and sees a bad one."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.good import BOOKS, GOOD, broken, result, visit
from tests.chaos.storm.history import Death, Event, Job, Result
from tests.chaos.storm.rules import judge

DIED = Death("proxy", "127.0.7.1", 10.55, 11)
DOWN = Event("unhealthy", 10.7, proxy="p1")
MOVED = Event("rebound", 10.9, "s", "p2")
ENDED = Event("closed", 10.7, "s", "p1", "errors")


def _moved(*events: Event, moves: int = 1, **other: Any) -> list[str]:
    """What is broken when the audit goes on so, with so many moves."""
    books = replace(
        BOOKS,
        counters={"created": 1, "failovers": moves},
        events={"created": 1, "rebound": moves},
    )
    return broken(audit=(*GOOD.audit, *events), books=books, **other)


def _anew(*events: Event, **other: Any) -> list[str]:
    """What is broken when the audit goes on so, and the session is made once more."""
    books = replace(
        BOOKS,
        counters={"created": 2, "closed_any": 1},
        events={"created": 2, "closed": 1},
    )
    again = Event("created", 10.8, "s", "p1")
    return broken(audit=(*GOOD.audit, *events, again), books=books, **other)


def test_a_good_history_breaks_no_rule() -> None:
    assert broken() == []


def test_a_job_without_a_result_is_lost() -> None:
    assert broken(results=(result(0, 0),)) == ["no job is lost"]


def test_a_job_that_the_broker_refused_is_not_lost() -> None:
    refused = Job(2, "scrape", "s", accepted=False)

    assert broken(jobs=(*GOOD.jobs, refused)) == []


def test_a_job_that_failed_is_lost() -> None:
    failed = Result(1, "FAILURE", reason="given up")

    assert broken(results=(result(0, 0), failed)) == ["no job is lost"]


def test_a_job_of_many_pages_that_lacks_one_is_lost() -> None:
    jobs = (Job(0, "scrape_many", "s", pages=2), GOOD.jobs[1])

    assert broken(jobs=jobs) == ["no job is lost"]


def test_a_result_that_the_site_knows_nothing_of_is_not_true() -> None:
    assert broken(results=(result(0, 0), result(1, 0))) == ["results are true"]


def test_a_result_of_another_proxy_than_was_used_is_not_true() -> None:
    results = (result(0, 0), result(1, 1, proxy="p2"))

    assert broken(results=results) == ["results are true"]


def test_another_address_than_the_session_is_bound_to_is_seen() -> None:
    visits = (visit(0, 0, 10), visit(1, 1, 11, address="127.0.7.2"))
    results = (result(0, 0), result(1, 1, proxy="p2"))

    assert broken(visits=visits, results=results) == ["one address a binding"]


def test_another_address_after_a_move_is_right() -> None:
    visits = (visit(0, 0, 10), visit(1, 1, 11, address="127.0.7.2"))
    results = (result(0, 0), result(1, 1, proxy="p2", generation=2))

    found = _moved(DOWN, MOVED, visits=visits, results=results, deaths=(DIED,))

    assert found == []


def test_a_generation_that_the_audit_does_not_know_is_seen() -> None:
    results = (result(0, 0), result(1, 1, generation=2))

    assert broken(results=results) == ["one address a binding"]


def test_a_visit_of_a_session_without_a_proxy_is_seen() -> None:
    late = Event("created", 10.5, "s", "p1")

    assert broken(audit=(late,)) == ["one address a binding"]


@pytest.mark.parametrize(
    "deaths",
    [(), (replace(DIED, target="127.0.7.2"),), (replace(DIED, until=10.8, at=10.8),)],
    ids=["nothing", "another", "later"],
)
def test_a_proxy_that_is_down_and_had_not_died_is_seen(
    deaths: tuple[Death, ...],
) -> None:
    assert _moved(DOWN, deaths=deaths, moves=0) == ["a session stays"]


def test_a_proxy_that_had_died_long_ago_is_seen() -> None:
    late = replace(DOWN, at=60)

    assert _moved(late, deaths=(DIED,), moves=0) == ["a session stays"]


def test_a_proxy_that_stays_down_needs_no_other_death() -> None:
    again = replace(DOWN, at=60)

    assert _moved(DOWN, again, deaths=(DIED,), moves=0) == []


@pytest.mark.parametrize(
    "before",
    [(), (replace(DOWN, proxy="p2"),), (DOWN, replace(DOWN, what="recovered"))],
    ids=["well", "another", "recovered"],
)
def test_a_move_from_a_proxy_that_is_up_is_seen(before: tuple[Event, ...]) -> None:
    visits = (visit(0, 0, 10), visit(1, 1, 11, address="127.0.7.2"))
    results = (result(0, 0), result(1, 1, proxy="p2", generation=2))
    deaths = (DIED, replace(DIED, target="127.0.7.2"))

    found = _moved(*before, MOVED, visits=visits, results=results, deaths=deaths)

    assert found == ["a session stays"]


@pytest.mark.parametrize("reason", ["idle", "max_age", "evicted", "closed", "errors"])
def test_a_session_that_ends_for_nothing_is_seen(reason: str) -> None:
    assert _anew(replace(ENDED, reason=reason)) == ["a session lasts"]


def test_a_session_may_end_for_failures_of_its_proxy_only() -> None:
    assert _anew(ENDED, deaths=(DIED,)) == []
    assert _anew(replace(ENDED, reason="idle"), deaths=(DIED,)) == ["a session lasts"]


def test_a_session_that_is_made_twice_is_seen() -> None:
    assert "a session lasts" in _anew()


def test_two_requests_at_once_are_seen() -> None:
    visits = (visit(0, 0, 10), visit(1, 1, 10.4))

    found = broken(visits=visits)

    assert found == ["one request at a time"]


def test_two_requests_at_once_are_seen_behind_a_long_one() -> None:
    jobs = (*GOOD.jobs, Job(2, "scrape", "s"))
    visits = (visit(0, 0, 10, end=13), visit(1, 1, 11, end=11.1), visit(2, 2, 12))
    results = (*GOOD.results, result(2, 2))
    books = replace(BOOKS, requests=3, done=3, measured=3)

    lines = judge(
        replace(GOOD, jobs=jobs, visits=visits, results=results, books=books)
    )["one request at a time"]

    assert len(lines) == 2


def test_a_request_ends_with_its_proxy() -> None:
    visits = (visit(0, 0, 10), visit(1, 0, 10.3), visit(2, 1, 12))
    deaths = (Death("proxy", "127.0.7.1", 10.2, 10.25),)
    results = (result(0, 1), result(1, 2))

    assert broken(visits=visits, deaths=deaths, results=results) == []


def test_what_a_dead_proxy_had_sent_on_counts_for_nothing() -> None:
    ghost = visit(1, 0, 10.1, address="127.0.7.2", answered=False)
    visits = (visit(0, 0, 10), ghost, visit(2, 1, 12))
    deaths = (
        Death("proxy", "127.0.7.2", 10.05, 11),
        Death("worker", "w1", 10.05, 11),
    )
    results = (result(0, 0), result(1, 2))

    assert broken(visits=visits, deaths=deaths, results=results) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"leases": 1},
        {"inflight": {"p1": 1}},
        {"inflight": {"p1": -1}},
        {"requests": 3},
        {"done": 3, "measured": 3},
    ],
    ids=str,
)
def test_a_lease_that_is_not_settled_once_is_seen(wrong: dict[str, Any]) -> None:
    found = broken(books=replace(BOOKS, **wrong))

    assert found == ["each lease is settled once"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": {"created": 2}},
        {"events": {"created": 1, "rebound": 1}},
        {"counters": {"created": 1, "failovers": 1}},
        {"counters": {"created": 1, "closed_idle": 1}},
        {"counters": {"created": 1, "lost_leases": 1}, "measured": 1},
        {"counters": {"created": 1, "audit_gaps": 1}},
        {"faults": 1},
        {"measured": 1},
        {"sessions": 2},
        {"kept": frozenset()},
    ],
    ids=str,
)
def test_counters_that_do_not_agree_are_seen(wrong: dict[str, Any]) -> None:
    assert broken(books=replace(BOOKS, **wrong)) == ["counters agree"]


def test_a_cookie_that_was_lost_is_seen() -> None:
    visits = (visit(0, 0, 10, seen=4), visit(1, 1, 11, seen=4))

    assert broken(visits=visits) == ["what a job kept stays"]


def test_a_session_that_began_anew_has_no_cookie() -> None:
    visits = (visit(0, 0, 10, seen=4), visit(1, 1, 11, seen=0))

    assert _anew(ENDED, deaths=(DIED,), visits=visits) == []


def test_a_message_that_is_left_is_seen() -> None:
    assert broken(left=("job 7",)) == ["nothing is left"]


def test_a_part_that_did_not_come_back_is_seen() -> None:
    assert broken(away=("Flower",)) == ["nothing is left"]
