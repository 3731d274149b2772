"""Times of the day and the week, as crontab writes them."""

from typing import Any, Final

_NICKNAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}
#: The largest value of each field. Celery takes a step beyond it for the first value.
_LARGEST: Final = (59, 23, 31, 12, 6)


def crontab(text: str) -> Any:
    """Return Celery's schedule for *text*: five fields, or ``@hourly`` and the like.

    The fields are minute, hour, day of the month, month and day of the week, all UTC.

    Raises:
        ValueError: there is no such time; the text says what is allowed.
    """
    # Celery takes a tenth of a second to import: only who sets a crontab pays for it.
    from celery.schedules import ParseException, crontab  # noqa: PLC0415

    fields = _NICKNAMES.get(text.strip(), text).split()
    try:
        for field, largest in zip(fields, _LARGEST, strict=True):
            _check_steps(field, largest)
        return crontab.from_string(" ".join(fields))
    except (ValueError, ParseException):
        known = ", ".join(_NICKNAMES)
        raise ValueError(
            "must be five fields as in a crontab (minute 0-59, hour 0-23, day 1-31, "
            f"month 1-12, day of the week 0-6; *, */n, a-b and a,b are allowed) or one "
            f"of {known}"
        ) from None


def _check_steps(field: str, largest: int) -> None:
    for part in field.split(","):
        _, slash, step = part.partition("/")
        if slash and not 1 <= int(step) <= largest:
            raise ValueError
