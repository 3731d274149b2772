"""Proxies into a file: a backup with credentials, or a list without any."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.stack import Stack


@pytest.mark.parametrize("ends", ["csv", "txt"])
def test_what_is_exported_can_be_imported(
    stack: "Stack", imported: list[str], tmp_path: Path, ends: str
) -> None:
    file = tmp_path / f"proxies.{ends}"

    done = stack.manage("proxies", "export", "--out", str(file), "--with-passwords")

    assert done.returncode == 0, done.stderr
    assert "S3cret" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    again = stack.manage("proxies", "import", str(file), "--dry-run")
    assert "0 new, 3 known before" in again.stdout


@pytest.mark.parametrize("form", ["lines", "jsonl"])
def test_credentials_are_left_out_unless_asked_for(
    stack: "Stack", imported: list[str], form: str
) -> None:
    done = stack.manage("proxies", "export", "--format", form, "--out", "-")

    assert "http://127.0.8.0:8080" in done.stdout
    assert "S3cret" not in done.stdout
    assert "u@" not in done.stdout
    assert "--with-passwords" in done.stderr


def test_a_file_that_is_there_is_replaced_only_with_a_yes(
    stack: "Stack", imported: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("mine")
    command = ("proxies", "export", "--out", str(file), "--with-passwords")

    blind, kept = stack.manage(*command), file.read_text()
    done = stack.manage(*command, "--yes", "--json")

    assert (blind.returncode, kept) == (1, "mine")
    assert "is there already" in blind.stderr
    assert json.loads(done.stdout) == {
        "file": str(file),
        "format": "csv",
        "proxies": 3,
    }
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.glob("*mine*")] == ["mine.csv"]


def test_an_export_for_scripts_is_json(stack: "Stack", imported: list[str]) -> None:
    done = stack.manage("proxies", "export", "--json")
    both = stack.manage("proxies", "export", "--json", "--format", "csv")

    assert [row["country"] for row in json.loads(done.stdout)] == ["DE", "US", "DE"]
    assert both.returncode == 2
    assert "leave it out for --format csv" in both.stderr


def test_a_place_that_cannot_be_written_is_named(stack: "Stack") -> None:
    for place in ("/proc/nowhere/x.csv", "/proc"):
        done = stack.manage("proxies", "export", "--out", place)

        assert done.returncode == 1
        assert done.stderr.startswith(f"limpet: --out: cannot write {place}")
