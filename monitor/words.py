"""Numbers and times as our pages say them."""

from datetime import UTC, datetime
from typing import Final

#: Units from the largest on, each with the next lower one.
_UNITS: Final = (
    (86_400, "d", 3600, "h"),
    (3600, "h", 60, "min"),
    (60, "min", 1, "s"),
)
_KILO: Final = 1000


def span(seconds: float) -> str:
    """Say a time in its two largest units: ``3 h 12 min``, ``12 s``, ``0 s``."""
    left = max(0, round(seconds))
    for size, name, lower, below in _UNITS:
        if left >= size:
            rest = left % size // lower
            return f"{left // size} {name}" + (f" {rest} {below}" if rest else "")
    return f"{left} s"


def ago(at: float, now: float) -> str:
    """Say how long ago *at* (Unix seconds, 0 for never) was, or how soon it is."""
    if not at:
        return "never"
    return f"{span(now - at)} ago" if at <= now else f"in {span(at - now)}"


def stamp(at: float) -> str:
    """Say when *at* (Unix seconds) is, in UTC."""
    if not at:
        return ""
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):  # a damaged record
        return ""


def size(number: float) -> str:
    """Say how many bytes: ``1.2 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < _KILO:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= _KILO
    return f"{number:,.1f} TB"
