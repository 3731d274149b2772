"""What the rules say of facts."""

from dataclasses import replace
from typing import Any

import pytest

from health import Check, Facts, Limits, PoolFacts, Runs, Status, judge

POOL = PoolFacts("shop", sessions=10, usable=8, resting=2, snapshot_age=30.0)
WELL = Facts(
    redis="",
    broker="",
    sql="",
    workers=2,
    beat_age=4.0,
    cleanup=Runs(runs=100, failed=5),
    pools=(POOL,),
    upkeep={"snapshot metrics": 20.0, "drain audit": 10.0},
)
LIMITS = Limits(upkeep={"snapshot metrics": 300.0, "drain audit": 300.0})


def _only_trouble(facts: Facts, limits: Limits = LIMITS) -> Check:
    [found] = [one for one in judge(facts, limits).checks if one.status.rank]
    return found


def test_all_is_well_at_the_limits() -> None:
    pool = replace(POOL, sessions=1000, usable=2, resting=8, snapshot_age=300.0)

    late = {"snapshot metrics": 300.0, "drain audit": 300.0}
    facts = replace(WELL, workers=1, beat_age=300.0, pools=(pool,), upkeep=late)
    facts = replace(facts, redis_room=(90.0, 100.0))

    assert judge(facts, LIMITS).status is Status.HEALTHY
    assert {one.status for one in judge(facts, LIMITS).checks} == {Status.HEALTHY}


@pytest.mark.parametrize(
    ("field", "value", "check", "status"),
    [
        ("redis", "cannot reach Redis", "redis", Status.DOWN),
        ("redis_room", (90.1, 100.0), "redis", Status.DEGRADED),
        ("redis_room", (100.0, 100.0), "redis", Status.DOWN),
        ("broker", "cannot reach the broker", "broker", Status.DOWN),
        ("sql", "there is no database yet", "sql", Status.DEGRADED),
        ("workers", 0, "workers", Status.DOWN),
        ("beat_age", 300.1, "scheduler", Status.DEGRADED),
        ("beat_age", None, "scheduler", Status.DEGRADED),
        ("cleanup", Runs(runs=100, failed=6), "cleanup", Status.DEGRADED),
        ("upkeep", {"drain audit": 300.1}, "upkeep", Status.DEGRADED),
        ("damaged", ("shop: n created",), "data", Status.DEGRADED),
    ],
)
def test_one_thing_that_is_wrong_is_one_check(
    field: str, value: Any, check: str, status: Status
) -> None:
    found = _only_trouble(replace(WELL, **{field: value}))

    assert (found.name, found.status) == (check, status)
    assert found.advice


@pytest.mark.parametrize(
    ("field", "value", "check"),
    [
        ("sessions", 1001, "sessions"),
        ("snapshot_age", 300.1, "snapshots:shop"),
        ("snapshot_age", None, "snapshots:shop"),
        ("usable", 0, "proxies:shop"),
    ],
)
def test_what_is_wrong_in_a_pool_names_it(field: str, value: Any, check: str) -> None:
    pool = replace(POOL, **{field: value})

    found = _only_trouble(replace(WELL, pools=(replace(POOL, pool="news"), pool)))

    assert (found.id, found.status) == (check, Status.DEGRADED)
    assert found.advice


def test_a_task_that_does_not_go_well_is_named_with_its_age_and_limit() -> None:
    facts = replace(WELL, upkeep={"snapshot metrics": 20.0, "drain audit": 412.4})

    found = _only_trouble(facts)

    assert found.text == "not gone well: drain audit for 412 s, at most 300 s"
    assert (found.value, found.limit) == (1, 0)


def test_a_task_that_is_off_or_that_no_beat_has_had_to_send_is_not_missed() -> None:
    off = replace(WELL, upkeep={**WELL.upkeep, "probe proxies": 10.0**6})
    unknown = replace(WELL, upkeep={})

    assert judge(off, LIMITS).status is Status.HEALTHY
    [found] = [one for one in judge(unknown, LIMITS).checks if one.name == "upkeep"]
    assert found.status is Status.UNKNOWN


def test_of_much_damage_some_is_named_and_all_is_counted() -> None:
    found = _only_trouble(replace(WELL, damaged=tuple("abcde")))

    assert found.text == "cannot be read: a; b; c; and 2 more"
    assert found.value == 5


def test_sessions_are_counted_over_all_pools() -> None:
    pools = tuple(replace(POOL, pool=f"p{n}", sessions=400) for n in range(3))

    found = _only_trouble(replace(WELL, pools=pools))

    assert (found.id, found.value, found.limit) == ("sessions", 1200, 1000)


def test_memory_is_added_up_over_all_pools() -> None:
    pools = tuple(replace(POOL, pool=f"p{n}", memory_mb=40.0) for n in range(3))

    found = _only_trouble(replace(WELL, pools=pools))

    assert (found.id, found.value, found.limit) == ("memory", 120, 100)
    assert judge(
        replace(WELL, pools=pools), replace(LIMITS, memory_mb=None)
    ).status is (Status.HEALTHY)


def test_fewer_workers_than_wanted_is_not_as_bad_as_none() -> None:
    limits = replace(LIMITS, workers=3)

    assert _only_trouble(WELL, limits).status is Status.DEGRADED
    assert _only_trouble(replace(WELL, workers=0), limits).status is Status.DOWN


def test_no_worker_is_wanted_where_that_is_said() -> None:
    report = judge(replace(WELL, workers=0), replace(LIMITS, workers=0))

    assert report.status is Status.HEALTHY


def test_what_a_dead_store_would_have_to_say_is_unknown_not_wrong() -> None:
    dead = replace(
        WELL, redis="cannot reach Redis", beat_age=None, cleanup=None, pools=None
    )

    report = judge(dead, LIMITS)

    by_status = {one.name: one.status for one in report.checks}
    assert report.status is Status.DOWN
    assert by_status.pop("redis") is Status.DOWN
    assert Status.DEGRADED not in by_status.values()
    assert by_status["sessions"] is by_status["scheduler"] is Status.UNKNOWN


def test_a_pool_without_proxies_is_wrong_only_once_it_is_used() -> None:
    empty = replace(POOL, usable=0, resting=0, sessions=0)

    unused = judge(replace(WELL, pools=(empty,)), LIMITS)
    used = judge(replace(WELL, pools=(replace(empty, sessions=1),)), LIMITS)

    assert (unused.status, used.status) == (Status.HEALTHY, Status.DEGRADED)


def test_a_share_of_two_runs_says_nothing() -> None:
    report = judge(replace(WELL, cleanup=Runs(runs=2, failed=1)), LIMITS)

    assert report.status is Status.HEALTHY


def test_snapshots_that_are_switched_off_are_not_missed() -> None:
    pool = replace(POOL, snapshot_age=None)

    report = judge(replace(WELL, pools=(pool,)), replace(LIMITS, snapshot_age=None))

    assert report.status is Status.HEALTHY
    assert "snapshots" not in {one.name for one in report.checks}


def test_a_report_is_json_that_names_each_check_once() -> None:
    told = judge(WELL, LIMITS).as_json()

    names = [(one["check"], one["pool"]) for one in told["checks"]]
    assert told["status"] == "healthy"
    assert len(names) == len(set(names))
    assert ("proxies", "shop") in names
