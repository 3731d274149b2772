"""When something is due: after an interval, or at the next time of a crontab."""

from datetime import UTC, datetime
from typing import Any


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
