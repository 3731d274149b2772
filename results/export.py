"""Pages written to a file: JSON Lines, which say everything, or CSV for a spreadsheet.

Rows go through one at a time. CSV has to know its columns before the first row is
written, so the rows wait in a temporary file meanwhile, not in memory.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from io import StringIO
from tempfile import TemporaryFile
from typing import Any, Final

from results.page import StoredPage, fields_of

#: Where a spreadsheet takes a text for a formula (OWASP, "CSV Injection").
_FORMULA: Final = re.compile(r"^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]")
#: A plain number is none, whatever it begins with.
_NUMBER: Final = re.compile(r"[+-]?\d+([.,]\d+)?")
#: Nothing reads a wider table: of pages that differ so much, all data is one column.
_COLUMNS: Final = 1000
#: Deeper than this, a cell holds JSON.
_DEEP: Final = 6


class Format(StrEnum):
    """How a file is written."""

    JSONL = "jsonl"
    CSV = "csv"


def write(pages: Iterable[StoredPage], form: Format) -> Iterator[str]:
    """Yield the lines of a file, each with its end."""
    rows = (fields(page) for page in pages)
    if form is Format.JSONL:
        return (f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    return _csv(rows)


def fields(page: StoredPage) -> dict[str, Any]:
    """What is known of a page, as JSON values."""
    found = fields_of(page)
    found["created"] = page.created.isoformat() if page.created else None
    found["elapsed"] = round(page.elapsed, 3)
    return found


def _csv(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    about = [name for name in StoredPage.__dataclass_fields__ if name != "data"]
    columns = dict.fromkeys(about)
    deep = _DEEP
    with TemporaryFile("w+", encoding="utf-8") as waiting:
        for row in rows:
            if deep:
                columns.update(dict.fromkeys(_flat(row, deep)))
            if len(columns) > _COLUMNS:
                columns, deep = dict.fromkeys([*about, "data"]), 0
            waiting.write(f"{json.dumps(row)}\n")
        waiting.seek(0)
        yield _line(map(_guarded, columns))
        for line in waiting:
            flat = _flat(json.loads(line), deep)
            yield _line(_cell(flat.get(name)) for name in columns)


def _flat(row: dict[str, Any], deep: int) -> dict[str, object]:
    """Give each field of the data a column of its own: ``data.price.amount``."""
    flat = {name: value for name, value in row.items() if name != "data"}
    flat.update(_spread("data", row["data"], deep))
    return flat


def _spread(name: str, value: object, deep: int) -> Iterator[tuple[str, object]]:
    if value is None:
        return
    if isinstance(value, dict) and value and deep:
        for key, inner in value.items():
            yield from _spread(f"{name}.{key}", inner, deep - 1)
        return
    nested = isinstance(value, dict | list)
    yield name, json.dumps(value, ensure_ascii=False) if nested else value


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return _guarded(value) if isinstance(value, str) else str(value)


def _guarded(text: str) -> str:
    """Have a spreadsheet show what a site wrote, and never run it."""
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _line(cells: Iterable[str]) -> str:
    buffer = StringIO()
    # Up to Python 3.12 only what is in the line's end is quoted: with "\n" alone, a
    # "\r" in a text would begin a new row, where a formula is not guarded.
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue()
