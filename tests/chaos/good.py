"""A history of a storm that breaks no rule, and what is broken when it is otherwise."""

from dataclasses import replace
from typing import Any

from tests.chaos.storm.history import (
    Books,
    Event,
    History,
    Job,
    Result,
    Visit,
)
from tests.chaos.storm.rules import judge

EXITS = {"p1": "127.0.7.1", "p2": "127.0.7.2"}


def visit(number: int, job: int, begin: float, **other: Any) -> Visit:
    """A visit of half a second by session ``s`` through the first proxy."""
    usual: dict[str, Any] = {"session": "s", "item": 0, "worker": "w1"}
    usual |= {"address": "127.0.7.1", "end": begin + 0.5, "seen": number}
    return Visit(number=number, job=job, begin=begin, **{**usual, **other})


def result(job: int, *visits: int, **other: Any) -> Result:
    values = {"session": "s", "proxy": "p1", "generation": 1, **other}
    return Result(job, "SUCCESS", visits=visits, **values)


BOOKS = Books(
    requests=2,
    done=2,
    sessions=1,
    alive=1,
    measured=2,
    inflight={"p1": 0, "p2": 0},
    counters={"created": 1},
    events={"created": 1},
    told=frozenset({"1-0"}),
    kept=frozenset({"1-0"}),
)
GOOD = History(
    jobs=(Job(0, "scrape", "s"), Job(1, "scrape", "s")),
    visits=(visit(0, 0, 10), visit(1, 1, 11)),
    audit=(Event("created", 9.9, "s", "p1"),),
    results=(result(0, 0), result(1, 1)),
    books=BOOKS,
    exits=EXITS,
    visibility=6,
)


def broken(history: History = GOOD, **other: Any) -> list[str]:
    """Return the rules that are broken when this is otherwise."""
    verdict = judge(replace(history, **other))
    return [rule for rule, lines in verdict.items() if lines]
