"""Pages as lines of a file: JSON Lines say all, CSV is safe to open."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from tracemalloc import get_traced_memory, reset_peak, start, stop
from typing import Any

import pytest

from results import StoredPage
from results.export import Format, write

PAGE = StoredPage(
    job="j",
    item=0,
    pool="eu",
    url="https://h/?q=1",
    status=200,
    elapsed=0.12345,
    created=datetime(2026, 1, 2, tzinfo=UTC),
)


def _table(*data: object) -> list[dict[str, Any]]:
    pages = [replace(PAGE, item=n, data=one) for n, one in enumerate(data)]
    lines = "".join(write(pages, Format.CSV))
    return list(csv.DictReader(StringIO(lines, newline="")))


def test_json_lines_hold_everything() -> None:
    page = replace(PAGE, data={"title": "Füße", "tags": ["a", None]})

    [line] = write([page], Format.JSONL)

    assert line.endswith("}\n")
    assert "Füße" in line
    row = json.loads(line)
    assert row["data"] == {"title": "Füße", "tags": ["a", None]}
    assert row["created"] == "2026-01-02T00:00:00+00:00"
    assert (row["url"], row["elapsed"], row["error"]) == ("https://h/?q=1", 0.123, None)


def test_a_table_has_a_column_for_each_field_of_any_page() -> None:
    rows = _table(
        {"title": "a", "price": {"amount": 1.5, "currency": "€"}},
        {"title": "b, \n c", "tags": ["x", {"y": 1}], "sold": True},
        None,
        "a text alone",
        [1, 2],
        {},
    )

    assert list(rows[0])[:3] == ["job", "item", "pool"]
    assert [row["data.title"] for row in rows[:3]] == ["a", "b, \n c", ""]
    assert rows[0]["data.price.amount"] == "1.5"
    assert rows[0]["data.price.currency"] == "€"
    assert rows[1]["data.tags"] == '["x", {"y": 1}]'
    assert rows[1]["data.sold"] == "true"
    assert [row["data"] for row in rows[3:]] == ["a text alone", "[1, 2]", "{}"]


@pytest.mark.parametrize(
    "evil",
    [
        "=1+1",
        "=HYPERLINK(1)",
        "+cmd|' /C calc'!A0",
        "-2+3+cmd",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\uff1d1",
        " =1",
    ],
)
def test_a_spreadsheet_runs_nothing_that_a_site_wrote(evil: str) -> None:
    rows = _table({"x": evil, evil: 1})

    assert rows[0]["data.x"] == f"'{evil}"
    assert all(not name.startswith(("=", "+", "-", "@")) for name in rows[0])


def test_a_text_with_line_ends_begins_no_row_of_its_own() -> None:
    rows = _table({"x": "a\r=1+1"}, {"x": "b\r\n=1+1"}, {"x": "c\n=1+1"})

    assert [row["data.x"][0] for row in rows] == ["a", "b", "c"]


@pytest.mark.parametrize("good", ["-5", "+3,50", "-0.5", "a=b", "1-2", "", "☎ +49"])
def test_what_is_no_formula_stays_as_it_is(good: str) -> None:
    assert _table({"x": good})[0]["data.x"] == good
    assert _table({"x": -5})[0]["data.x"] == "-5"


def test_pages_that_differ_too_much_get_one_column_for_all_data() -> None:
    rows = _table(*({f"field-{n}": n} for n in range(1001)))

    assert len(rows) == 1001
    assert json.loads(rows[0]["data"]) == {"field-0": 0}
    assert json.loads(rows[1000]["data"]) == {"field-1000": 1000}
    assert "data.field-0" not in rows[0]


def test_no_page_is_an_empty_file_or_a_header_alone() -> None:
    assert list(write([], Format.JSONL)) == []
    assert len(list(write([], Format.CSV))) == 1


@pytest.mark.parametrize("form", Format)
def test_many_pages_are_never_in_memory_at_once(form: Format) -> None:
    def pages() -> Iterator[StoredPage]:
        for n in range(5000):
            yield replace(PAGE, item=n, data={"text": f"{n}" * 500})

    start()
    try:
        reset_peak()
        before = get_traced_memory()[1]
        written = sum(len(line) for line in write(pages(), form))
        peak = get_traced_memory()[1] - before
    finally:
        stop()

    assert written > 8_000_000
    assert peak < 1_000_000
