"""Alerts: what has changed is told once, whoever looks, and is an audit event."""

import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis

from health import Check, Report, Status
from health.alerts import Alerts, Change
from health.store import HealthStore
from limpet.keys import ALERT_OUTBOX, ALERTS, NO_POOL, Keys

Eventually = Callable[..., None]
Make = Callable[..., Alerts]
EVENTS = Keys(NO_POOL).audit


@pytest.fixture
def alerts_of(redis: Redis) -> Make:
    def make(*, after: float = 0, outbox: bool = False) -> Alerts:
        return Alerts(HealthStore(redis), after=after, outbox=outbox)

    return make


def report(**checks: Status) -> Report:
    made = (
        Check(name.partition("__")[0], status, f"{name}!", pool=name.partition("__")[2])
        for name, status in checks.items()
    )
    return Report(tuple(made))


def told(changes: Iterable[Change]) -> list[tuple[str, str, str]]:
    return [(one.alert, one.was.value, one.status.value) for one in changes]


def test_each_change_is_told_once_on_its_way_down_and_back(alerts_of: Make) -> None:
    alerts = alerts_of()
    course = [
        Status.HEALTHY,
        Status.DEGRADED,
        Status.DEGRADED,
        Status.DOWN,
        Status.DOWN,
        Status.HEALTHY,
        Status.HEALTHY,
    ]

    found = [told(alerts.tell(report(sql=status))) for status in course]

    assert found == [
        [],
        [("sql", "healthy", "degraded")],
        [],
        [("sql", "degraded", "down")],
        [],
        [("sql", "down", "healthy")],
        [],
    ]


def test_a_change_is_an_audit_event(alerts_of: Make, redis: Redis) -> None:
    alerts_of().tell(report(proxies__shop=Status.DEGRADED))

    reader: Any = redis
    [(_, event)] = reader.xrange(EVENTS)
    assert event == {
        b"event": b"alert",
        b"alert": b"proxies:shop",
        b"was": b"healthy",
        b"status": b"degraded",
        b"text": b"proxies__shop!",
    }


def test_of_two_that_tell_at_once_one_is_told(alerts_of: Make) -> None:
    alerts = alerts_of()
    start = threading.Barrier(8)

    def tell(status: Status) -> list[Change]:
        start.wait()
        return alerts.tell(report(sql=status, broker=status))

    for status in (Status.DOWN, Status.HEALTHY, Status.DEGRADED):
        with ThreadPoolExecutor(8) as threads:
            every = [one for some in threads.map(tell, [status] * 8) for one in some]
        assert sorted(one.alert for one in every) == ["broker", "sql"]


def test_what_is_unknown_changes_nothing(alerts_of: Make) -> None:
    alerts = alerts_of()
    alerts.tell(report(workers=Status.DOWN))

    assert alerts.tell(report(workers=Status.UNKNOWN)) == []
    assert told(alerts.tell(report(workers=Status.HEALTHY))) == [
        ("workers", "down", "healthy")
    ]


def test_what_is_unknown_of_all_pools_changes_nothing_of_any(alerts_of: Make) -> None:
    alerts = alerts_of()
    alerts.tell(report(snapshots__a=Status.DEGRADED, proxies__a=Status.DEGRADED))

    away = told(alerts.tell(report(snapshots=Status.UNKNOWN, proxies=Status.UNKNOWN)))
    back = alerts.tell(
        report(snapshots__a=Status.DEGRADED, snapshots__b=Status.HEALTHY)
    )

    assert away == []
    assert told(back) == [("proxies:a", "degraded", "healthy")]


def test_a_change_that_does_not_last_is_not_told(
    alerts_of: Make, redis: Redis, eventually: Eventually
) -> None:
    alerts = alerts_of(after=0.5)
    bad, well = report(sql=Status.DEGRADED), report(sql=Status.HEALTHY)

    blink = [alerts.tell(one) for one in (bad, well, bad, bad)]
    seen: list[Change] = []

    def is_told() -> bool:
        seen.extend(alerts.tell(bad))
        return bool(seen)

    eventually(is_told)

    assert blink == [[], [], [], []]
    assert told(seen) == [("sql", "healthy", "degraded")]
    assert redis.xlen(EVENTS) == 1


def test_a_clock_that_was_put_back_keeps_no_change_from_being_told(
    alerts_of: Make, redis: Redis, eventually: Eventually
) -> None:
    alerts = alerts_of(after=0.1)
    alerts.tell(report(sql=Status.DOWN))
    held = json.loads(redis.hgetall(ALERTS)[b"sql"])
    redis.hset(ALERTS, "sql", json.dumps({**held, "from": held["from"] + 3_600_000}))

    eventually(lambda: told(alerts.tell(report(sql=Status.DOWN))) != [])


def test_what_is_no_longer_there_is_no_longer_wrong(alerts_of: Make) -> None:
    alerts = alerts_of()
    alerts.tell(report(proxies__gone=Status.DEGRADED, sql=Status.HEALTHY))

    changes = alerts.tell(report(sql=Status.HEALTHY))

    assert told(changes) == [("proxies:gone", "degraded", "healthy")]
    assert changes[0].text == "there is no such thing any more"


def test_nothing_is_kept_of_what_is_well(alerts_of: Make, redis: Redis) -> None:
    alerts = alerts_of()
    alerts.tell(report(sql=Status.DEGRADED, broker=Status.HEALTHY))

    alerts.tell(report(sql=Status.HEALTHY, broker=Status.HEALTHY))

    assert not redis.exists(ALERTS)
    assert not redis.exists(ALERT_OUTBOX)


def test_a_change_is_kept_until_it_is_sent(alerts_of: Make) -> None:
    alerts = alerts_of(outbox=True)
    alerts.tell(report(sql=Status.DEGRADED))
    alerts.tell(report(sql=Status.HEALTHY))

    first, second = alerts.unsent()
    alerts.sent(first)

    assert told([first, second]) == [
        ("sql", "healthy", "degraded"),
        ("sql", "degraded", "healthy"),
    ]
    assert alerts.unsent() == [second]


def test_a_change_is_json_that_names_check_and_pool(alerts_of: Make) -> None:
    [change] = alerts_of().tell(report(proxies__shop=Status.DEGRADED))

    told = json.loads(json.dumps(change.as_json()))

    assert (told["check"], told["pool"], told["status"]) == (
        "proxies",
        "shop",
        "degraded",
    )
