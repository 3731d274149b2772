"""From a text to the type that a rule wants; `None` where it cannot be had."""

import math
import re
from typing import Final
from urllib.parse import urljoin

#: What may stand between groups of three digits, besides the other decimal mark.
_SPACES: Final = "'’    "  # noqa: RUF001 - as pages have them
_TRUE: Final = frozenset({"1", "true", "yes", "on", "y"})
_FALSE: Final = frozenset({"0", "false", "no", "off", "n"})
#: Longest text in which a number is looked for: one that is longer is no number.
_NUMBER_TEXT: Final = 1000


def _pattern(decimal: str) -> re.Pattern[str]:
    group = "," if decimal == "." else "."
    digits = rf"\d{{1,3}}(?:[{group}{_SPACES}]\d{{3}})+(?!\d)|\d+"
    # What follows may not be one more mark and digit: 1,5 is no 1 where . is the mark.
    return re.compile(
        rf"(?<![\d.,])([-+−]?)[^\S\n]?(?:[$£€¥]\s?)?({digits})?"  # noqa: RUF001
        rf"(?:(?<=\d){re.escape(decimal)}(\d+))?(?<=\d)(?![.,'’]?\d)"  # noqa: RUF001
    )


_PATTERNS: Final = {mark: _pattern(mark) for mark in ".,"}


def number(text: str, decimal: str) -> float | None:
    """Return the first number in *text*: ``£1,299.50`` is 1299.5.

    *decimal* is the decimal mark; the other one, spaces and apostrophes may group
    thousands. A number that does not keep to that (``1,5`` with ``.``) is none.
    """
    first = re.search(r"\d", text[:_NUMBER_TEXT])
    if first is None:
        return None
    found = _PATTERNS[decimal].search(text[:_NUMBER_TEXT])
    # The first digits or nothing: never a number from further on.
    if found is None or not found[2] or found.start(2) > first.start():
        return None
    whole = re.sub(r"\D", "", found[2])
    value = float(f"{whole}.{found[3] or 0}")
    if not math.isfinite(value):
        return None
    return -value if found[1] in {"-", "−"} else value  # noqa: RUF001


def convert(value: object, kind: str, *, decimal: str, base: str) -> object:
    """Return *value*, a text or JSON, as what `Rule` calls *kind*."""
    if kind == "bool":
        return _bool(value)
    if kind in {"int", "float"}:
        return _number(value, kind, decimal)
    if isinstance(value, bool):
        value = str(value).lower()
    if not isinstance(value, str | int | float):
        return None
    return str(value) if kind == "str" else _url(str(value), base)


def _bool(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _number(value: object, kind: str, decimal: str) -> float | int | None:
    if isinstance(value, str):
        value = number(value, decimal)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if kind == "float":
        return float(value) if abs(value) <= 1e308 else None  # noqa: PLR2004 - of a double
    return int(value) if value == int(value) else None


def _url(text: str, base: str) -> str | None:
    try:
        return urljoin(base, text.strip())
    except ValueError:
        return None
