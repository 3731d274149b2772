"""When something is due: after an interval, or at the next time of a crontab."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from itertools import pairwise
from typing import Any, Final

_DAY: Final = 86_400.0
#: After so many years the calendar, with the days of the week, begins anew.
_YEARS: Final = 400


def due(schedule: Any, last: float, now: float) -> float:
    """Return when *schedule* is due after *last*, which may be past; Unix seconds.

    *schedule* is a number of seconds, or one of Celery's schedules. What was never done
    (*last* is 0) is due at once, or with a crontab at the first of its times after
    *now*. Of times that were missed there is one: it is due since the first of them.
    """
    if isinstance(schedule, int | float):
        return last + schedule if last else now
    if (every := getattr(schedule, "run_every", None)) is not None:
        return last + float(every.total_seconds()) if last else now
    after = datetime.fromtimestamp(last or now, UTC)
    # It would look at this machine's clock, which may be wrong.
    schedule.nowfun = lambda: after
    start, rest, _ = schedule.remaining_delta(after, tz=UTC)
    found: datetime = start + rest
    return found.timestamp()


def longest_gap(schedule: Any) -> float:
    """Return the most seconds that can lie between two times of *schedule*.

    It is of the kinds that `due` takes. Of ``0 9 * * 1-5`` it is the weekend.
    """
    if isinstance(schedule, int | float):
        return float(schedule)
    if (every := getattr(schedule, "run_every", None)) is not None:
        return float(every.total_seconds())
    times = sorted(h * 3600.0 + m * 60 for h in schedule.hour for m in schedule.minute)
    within = max((late - early for early, late in pairwise(times)), default=0.0)
    days = _longest_days(
        frozenset(schedule.month_of_year),
        frozenset(schedule.day_of_month),
        frozenset(schedule.day_of_week),
    )
    over_night = float(days * _DAY - times[-1] + times[0])
    return max(within, over_night)


@cache
def _longest_days(
    months: frozenset[int], days: frozenset[int], weekdays: frozenset[int]
) -> int:
    """Return the most days from one that fits to the next one."""
    found = list(_days(months, days, weekdays))
    around = date(2000 + _YEARS, 1, 1) - date(2000, 1, 1)
    # The first one comes again after the last one.
    again = [*found, found[0] + around.days]
    return max(later - earlier for earlier, later in pairwise(again))


def _days(
    months: frozenset[int], days: frozenset[int], weekdays: frozenset[int]
) -> Iterator[int]:
    for year in range(2000, 2000 + _YEARS):
        for month in sorted(months):
            first = date(year, month, 1).toordinal()
            length = monthrange(year, month)[1]
            for day in range(1, length + 1):
                # Counted so that Sunday, which is 0 in a crontab, is 0 here too.
                if day in days and (first + day - 1) % 7 in weekdays:
                    yield first + day - 1
