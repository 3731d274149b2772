"""Where proxies come from: files of any format that people and providers use.

A row that cannot be read is reported and costs no other row; what a report says never
repeats the row, which holds a password.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Final

from limpet.errors import InvalidProxy
from proxies.fields import ABOUT, field_of, record_of
from proxies.formats import Format, Row, detect, rows
from proxies.proxy import parse_proxy
from proxies.record import ProxyRecord

#: What may be shown of a column that we do not know: a name, never a value.
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_ -]{0,31}")


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was skipped, or in JSON an element; *number* counts from 1."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Import:
    """What a file held.

    *records* are without repeats (of the same proxy the last one counts, *repeats*
    says how many were dropped), *bad* is what was skipped, *unknown* names columns
    that were left out; *stated* names the fields of a record that the file gives at
    all: for lines none, so that importing a plain list clears nobody's country.
    """

    form: Format
    records: list[ProxyRecord]
    bad: list[BadLine]
    repeats: int
    stated: frozenset[str]
    unknown: tuple[str, ...]


def read(
    source: str | Iterable[str],
    *,
    form: Format | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Import:
    """Read a whole text, or its lines; the format is told from the content.

    *progress* is called with the rows done and the rows there are, after each.
    """
    lines = _lines(source)
    kind = form or detect(lines)
    todo = list(rows(lines, kind))
    found: dict[str, ProxyRecord] = {}
    bad: list[BadLine] = []
    columns: set[str] = set()
    for done, (number, row) in enumerate(todo, start=1):
        try:
            record = _record(row)
            found[record.id] = record
        except InvalidProxy as error:
            bad.append(BadLine(number, str(error)))
        if isinstance(row, Mapping):
            columns.update(row)
        if progress:
            progress(done, len(todo))
    return Import(
        kind,
        list(found.values()),
        bad,
        repeats=len(todo) - len(bad) - len(found),
        stated=frozenset(filter(None, map(field_of, columns))) & ABOUT,
        unknown=_unknown(columns),
    )


def _lines(source: str | Iterable[str]) -> list[str]:
    # StringIO breaks lines as files do; str.splitlines() knows nine more breaks.
    lines = list(StringIO(source, newline=None) if isinstance(source, str) else source)
    lines[:1] = [line.removeprefix("\ufeff") for line in lines[:1]]
    return lines


def _record(row: Row) -> ProxyRecord:
    if isinstance(row, InvalidProxy):
        raise row
    return ProxyRecord(parse_proxy(row)) if isinstance(row, str) else record_of(row)


def _unknown(columns: set[str]) -> tuple[str, ...]:
    names = {name for name in columns if field_of(name) is None}
    return tuple(sorted(filter(_NAME.fullmatch, names)))
