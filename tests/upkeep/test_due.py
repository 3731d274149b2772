"""When something is due."""

from datetime import UTC, datetime, timedelta

import pytest
from celery.schedules import schedule

from limpet.crontab import crontab
from limpet.upkeep.due import due


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_an_interval_is_due_so_long_after_the_last_time() -> None:
    assert due(60.0, 1000, 1010) == 1060
    assert due(schedule(timedelta(seconds=60)), 1000, 1010) == 1060


def test_what_was_never_done_is_due_now() -> None:
    assert due(60.0, 0, 1010) == 1010


@pytest.mark.parametrize(
    ("text", "last", "first"),
    [
        ("*/15 * * * *", "2026-03-01 10:07:30", "2026-03-01 10:15:00"),
        ("0 3 * * *", "2026-03-01 03:00:00", "2026-03-02 03:00:00"),
        ("30 4 1 * *", "2026-03-01 04:31:00", "2026-04-01 04:30:00"),
        ("0 0 * * 0", "2026-03-01 00:00:01", "2026-03-08 00:00:00"),
        ("@hourly", "2026-12-31 23:59:59", "2027-01-01 00:00:00"),
        ("  5   0  29 2 *", "2026-03-01 00:00:00", "2028-02-29 00:05:00"),
    ],
)
def test_a_crontab_is_due_at_its_next_time(text: str, last: str, first: str) -> None:
    assert due(crontab(text), at(last), at(last) + 5e8) == at(first)


def test_a_new_crontab_is_due_at_its_first_time_from_now() -> None:
    now = at("2026-03-01 10:07:30")

    assert due(crontab("0 * * * *"), 0, now) == at("2026-03-01 11:00:00")
