"""Looking at what jobs have left, and taking it along."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cli.pool import Pool
from limpet.settings import Settings
from results import StoredPage, open_artifacts, tables

if TYPE_CHECKING:
    from tests.stack import Stack

NOW = datetime.now(UTC)
BODY = "<!doctype html>\0 é".encode()


@pytest.fixture
def kept(stack: "Stack", place: Pool) -> str:
    """Four pages of three jobs; the name of the body of one."""
    sha = open_artifacts(Settings(state_dir=stack.folder)).put(BODY)
    common: dict[str, Any] = {"pool": "default", "url": "https://h/p?q=1"}
    tables.save(
        place.engine,
        [
            StoredPage("t-1", 0, **common, session="s", status=200, artifact=sha),
            StoredPage("t-1", 1, **common, session="s", status=404, data={"x": "=1"}),
            StoredPage("t-2", 0, **common, error="given up [red]", size=2**40),
            StoredPage("t-3", 0, "eu", "u", created=NOW - timedelta(days=9), data="é"),
        ],
    )
    return sha


def _json(stack: "Stack", *arguments: str) -> Any:
    done = stack.manage("results", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_pages_are_listed_the_newest_first(stack: "Stack", kept: str) -> None:
    rows = _json(stack, "ls")
    done = stack.manage("results", "ls", "--limit", "2")

    assert len(rows) == 4
    assert rows[-1]["job"] == "t-3"
    assert rows[-1]["data"] == "é"
    assert "4 pages, 2 shown (--limit)" in done.stdout


@pytest.mark.parametrize(
    ("options", "jobs"),
    [
        (("--job", "t-1"), ["t-1", "t-1"]),
        (("--pool", "eu"), ["t-3"]),
        (("--session", "s"), ["t-1", "t-1"]),
        (("--since", "7d"), ["t-1", "t-1", "t-2"]),
        (("--since", "2000-01-01"), ["t-1", "t-1", "t-2", "t-3"]),
        (("--since", "90min", "--pool", "eu"), []),
    ],
)
def test_pages_are_found_by_what_is_asked(
    stack: "Stack", kept: str, options: tuple[str, ...], jobs: list[str]
) -> None:
    assert sorted(row["job"] for row in _json(stack, "ls", *options)) == jobs


def test_what_is_listed_for_people_is_no_markup(stack: "Stack", kept: str) -> None:
    done = stack.manage("results", "ls")
    none = stack.manage("results", "ls", "--job", "nobody")

    assert "given up [red]" in done.stdout
    assert "there is no such result" in none.stdout


@pytest.mark.parametrize("since", ["soon", "5", "5y", "999999d", "2026-99-01"])
def test_a_time_that_is_none_is_named(stack: "Stack", since: str) -> None:
    done = stack.manage("results", "ls", "--since", since)

    assert done.returncode == 2
    assert done.stderr.startswith("limpet: --since: must be 90min, 12h, 7d")


def test_one_page_is_shown_with_its_body(stack: "Stack", kept: str) -> None:
    page = _json(stack, "show", "t-1")
    second = stack.manage("results", "show", "t-1", "--item", "1")
    body = stack.manage("results", "show", "t-1", "--body", PYTHONIOENCODING="latin-1")

    assert (page["artifact"], page["status"]) == (kept, 200)
    assert '"x": "=1"' in second.stdout
    assert "404" in second.stdout
    assert body.stdout == BODY.decode(), "as it came, whatever the terminal's encoding"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("t-9",), "nothing is kept of a job 't-9'"),
        (("t-1", "--item", "7"), "job 't-1' has no page 7: it has 2, from 0"),
        (("t-2", "--body"), "the body of this page was not kept"),
    ],
)
def test_what_is_not_kept_is_said(
    stack: "Stack", kept: str, arguments: tuple[str, ...], says: str
) -> None:
    done = stack.manage("results", "show", *arguments)

    assert done.returncode == 1
    assert says in done.stderr


def test_a_body_that_is_gone_is_a_line(stack: "Stack", kept: str) -> None:
    [file] = (stack.folder / "artifacts").rglob(kept)
    file.unlink()

    done = stack.manage("results", "show", "t-1", "--body")

    assert (done.returncode, done.stdout) == (1, "")
    assert f"limpet: the body {kept} is missing" in done.stderr


def test_pages_go_into_a_file_as_its_name_says(
    stack: "Stack", kept: str, tmp_path: Path
) -> None:
    lines, table = tmp_path / "all.jsonl", tmp_path / "all.csv"

    told = _json(stack, "export", "--out", str(lines))
    done = stack.manage("results", "export", "--out", str(table), "--since", "1d")

    assert told == {"file": str(lines), "format": "jsonl", "pages": 4}
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [row["job"] for row in rows] == ["t-3", "t-1", "t-1", "t-2"]
    assert f"3 pages in {table}" in done.stdout
    with table.open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert cells[1]["data.x"] == "'=1"
    assert table.stat().st_mode & 0o777 == 0o600


def test_pages_go_to_standard_output_too(stack: "Stack", kept: str) -> None:
    lines = stack.manage("results", "export", "--job", "t-1")
    table = stack.manage("results", "export", "--format", "csv")
    both = stack.manage("results", "export", "--json")
    named = stack.manage("results", "export", "--job", "t-1", "--out", "-")

    assert (named.returncode, named.stdout) == (0, lines.stdout)
    assert [json.loads(one)["item"] for one in lines.stdout.splitlines()] == [0, 1]
    assert table.stdout.startswith("job,item,pool,")
    assert both.returncode == 2


def test_a_file_that_is_there_is_asked_about(
    stack: "Stack", kept: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("mine")

    blind = stack.manage("results", "export", "--out", str(file))
    nowhere = stack.manage("results", "export", "--out", "/proc/nowhere/x")

    assert (blind.returncode, file.read_text()) == (1, "mine")
    assert "--out: cannot write /proc/nowhere/x" in nowhere.stderr


def test_thousands_of_pages_show_how_far_they_are(
    place: Pool, terminal: Callable[..., Any], tmp_path: Path
) -> None:
    tables.save(
        place.engine,
        [StoredPage("t", n, "default", "u", data={"n": n}) for n in range(5000)],
    )
    file = tmp_path / "all.jsonl"

    done = terminal("results", "export", "--out", str(file))

    assert done.code == 0
    assert "exporting" in done.text
    assert "5,000 pages in" in done.text
    assert len(file.read_text().splitlines()) == 5000
