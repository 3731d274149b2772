"""Records written to a file that `proxies.sources` reads again."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO

from proxies.fields import row_of
from proxies.formats import Format
from proxies.record import ProxyRecord


def write(
    records: Iterable[ProxyRecord], form: Format, *, passwords: bool = False
) -> Iterator[str]:
    """Yield the lines of a file, each with its end; lines hold the URLs alone.

    Without *passwords* there are no user names either, since some providers take a
    secret key there: that is a list to look at, not a backup.
    """
    found = (row_of(record, passwords=passwords) for record in records)
    if form is Format.LINES:
        return (f"{row['url']}\n" for row in found)
    if form is Format.JSONL:
        return (f"{json.dumps(row)}\n" for row in found)
    return _csv(found) if form is Format.CSV else _json(found)


def _csv(found: Iterable[Mapping[str, object]]) -> Iterator[str]:
    for number, row in enumerate(found):
        if number == 0:
            yield _line(row)
        yield _line(map(_cell, row.values()))


def _line(cells: Iterable[object]) -> str:
    buffer = StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ";".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _json(found: Iterable[Mapping[str, object]]) -> Iterator[str]:
    before = "[\n"
    for row in found:
        yield before + json.dumps(row)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"
