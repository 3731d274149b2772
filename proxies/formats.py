"""Files taken apart into rows, whatever they look like; nothing is judged here."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeAlias

from limpet.errors import InvalidProxy
from proxies.fields import PLACES, field_of

#: A proxy in one text, or its fields by the file's names, or why it is neither.
Row: TypeAlias = str | Mapping[str, object] | InvalidProxy
#: With the number by which people find it in the file, from 1.
Rows: TypeAlias = Iterator[tuple[int, Row]]

_DELIMITERS: Final = (",", ";", "\t")
#: How a list begins; an IPv6 address in brackets does not.
_LIST: Final = re.compile(r"\[\s*([\[\]{\"]|$)")


class Format(StrEnum):
    """How a file is written."""

    #: One proxy a line, as `parse_proxy` reads them.
    LINES = "lines"
    #: A header, then one proxy a line.
    CSV = "csv"
    #: A list, or an object with a list named ``proxies``.
    JSON = "json"
    #: One JSON value a line.
    JSONL = "jsonl"


def detect(lines: Iterable[str]) -> Format:
    """Tell the format from the first line that is neither empty nor a comment."""
    kept = _kept(lines)
    _, first = next(kept, (0, ""))
    more = next(kept, None) is not None
    start = first.lstrip()
    if start.startswith("{"):
        # An object that ends on its line, and more below: not one big object.
        return Format.JSONL if more and start.endswith("}") else Format.JSON
    if _LIST.match(start):
        return Format.JSON
    if _delimiter(first):
        return Format.CSV
    is_text = start.startswith('"') and isinstance(_value(start), str)
    return Format.JSONL if is_text else Format.LINES


def rows(lines: Sequence[str], form: Format) -> Rows:
    """Take *lines* apart; in JSON the number is that of the element."""
    if form is Format.CSV:
        return _csv(lines)
    if form is Format.JSON:
        return _json(lines)
    return _jsonl(lines) if form is Format.JSONL else _kept(lines)


def _kept(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        # Only the line's end: in a table a tab in front is an empty cell.
        text = line.rstrip("\r\n")
        if text.strip() and not text.lstrip().startswith("#"):
            yield number, text


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        # Its text names what was expected, and never what was there.
        return InvalidProxy(f"not JSON: {error.msg} at character {error.colno}")
    except (ValueError, RecursionError):
        return InvalidProxy("not JSON: a number too long, or lists too deep")


def _row(value: object) -> Row:
    if isinstance(value, str | dict | InvalidProxy):
        return value
    return InvalidProxy("neither a text nor an object with fields")


def _jsonl(lines: Iterable[str]) -> Rows:
    return ((number, _row(_value(text))) for number, text in _kept(lines))


def _json(lines: Sequence[str]) -> Rows:
    # A comment is no JSON, but people put one above a list that they keep.
    kept = dict(_kept(lines))
    text = "\n".join(kept.get(number, "") for number in range(1, len(lines) + 1))
    value = _whole(text) if kept else []
    if isinstance(value, dict):
        value = value.get("proxies", [value])
    if isinstance(value, InvalidProxy):
        value = [value]
    if not isinstance(value, list):
        value = [InvalidProxy('neither a list nor an object with a list "proxies"')]
    return ((number, _row(one)) for number, one in enumerate(value, start=1))


def _whole(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        return InvalidProxy(f"not JSON: {error.msg} in line {error.lineno} of the file")
    except (ValueError, RecursionError):
        return InvalidProxy("not JSON: a number too long, or lists too deep")


def _cells(line: str, delimiter: str) -> list[str]:
    # Line by line: a quote that is never closed costs one proxy, not the whole rest.
    [cells] = csv.reader(
        [line], delimiter=delimiter, skipinitialspace=True, strict=True
    )
    return cells


def _delimiter(header: str) -> str | None:
    """Return what splits *header* into the most names that we know."""
    counts: dict[str, int] = {}
    for delimiter in _DELIMITERS:
        try:
            found = {field_of(name) for name in _cells(header, delimiter)} - {None}
        except (csv.Error, ValueError):
            continue
        if found & PLACES:
            counts[delimiter] = len(found)
    return max(counts, key=lambda one: counts[one], default=None)


def _csv(lines: Sequence[str]) -> Rows:
    number, header = next(_kept(lines), (0, ""))
    delimiter = _delimiter(header)
    if delimiter is None:
        if number:
            yield number, InvalidProxy("the header names no column url and none host")
        return
    names = _cells(header, delimiter)
    # A password may begin with "#": then no line is a comment.
    literal = field_of(names[0]) in {"username", "password"}
    body = enumerate(lines, start=1) if literal else _kept(lines)
    for place, line in body:
        if place > number and line.strip():
            yield place, _record(names, line.rstrip("\r\n"), delimiter)


def _record(names: Sequence[str], line: str, delimiter: str) -> Row:
    try:
        cells = _cells(line, delimiter)
    except (csv.Error, ValueError):
        return InvalidProxy("not CSV: a quote is open, or a cell is too long")
    if any(cells[len(names) :]):
        return InvalidProxy("there are more cells than the header has columns")
    # By position, so that two columns of one name do not hide each other.
    row: dict[str, object] = {}
    for name, cell in zip(names, cells, strict=False):
        row[name] = row.get(name) or cell
    return row
