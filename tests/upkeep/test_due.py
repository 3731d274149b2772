"""When something is due."""

from datetime import UTC, datetime, timedelta

import pytest
from celery.schedules import schedule
from hypothesis import example, given
from hypothesis import strategies as st

from limpet.crontab import crontab
from limpet.upkeep import longest_gap
from limpet.upkeep.due import due

DAY = 86_400


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


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("* * * * *", 60),
        ("*/7 * * * *", 420),
        ("15 3,4 * * *", 23 * 3600),
        ("@monthly", 31 * DAY),
        ("30 3 * * 0", 7 * DAY),
        ("0 9 * * 1-5", 3 * DAY),
        # Eight years around one that is no leap year, as 2100.
        ("0 0 29 2 *", 2921 * DAY),
    ],
)
def test_the_longest_gap_of_a_crontab(text: str, seconds: int) -> None:
    assert longest_gap(crontab(text)) == seconds


@given(
    minute=st.sampled_from(["0", "*/13", "5,50"]),
    hour=st.sampled_from(["*", "3", "9-17"]),
    day=st.sampled_from(["*", "1,31", "29"]),
    month=st.sampled_from(["*", "2", "1-6"]),
    weekday=st.sampled_from(["*", "0", "1-5"]),
)
@example(minute="0", hour="3", day="29", month="2", weekday="*")
def test_no_gap_between_two_times_is_longer(
    minute: str, hour: str, day: str, month: str, weekday: str
) -> None:
    schedule = crontab(f"{minute} {hour} {day} {month} {weekday}")
    most = longest_gap(schedule)
    last = datetime(2026, 1, 1, tzinfo=UTC).timestamp()

    for _ in range(40):
        then = due(schedule, last, last)
        assert then - last <= most
        last = then


def test_the_longest_gap_of_an_interval_is_the_interval() -> None:
    assert longest_gap(90) == longest_gap(schedule(timedelta(seconds=90))) == 90
