"""Sessions into a file and back: whole, secret, and nothing overwritten unasked."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet

from limpet.sealing import Sealer
from sessions import SessionManager

if TYPE_CHECKING:
    from tests.stack import Stack


@pytest.fixture
def file(stack: "Stack", manager: SessionManager, tmp_path: Path) -> Path:
    """Two sessions, written to a file."""
    for name in ("me", "you"):
        manager.release(
            manager.acquire(name, hold=30), patch={"metadata": {"who": name}}
        )
    path = tmp_path / "sessions.jsonl"
    done = stack.manage("sessions", "export", "--out", str(path), "--json")
    assert json.loads(done.stdout) == {
        "file": str(path),
        "sessions": 2,
        "skipped": [],
    }
    return path


def test_a_file_of_sessions_is_readable_by_its_owner_alone(file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600


def test_sessions_come_back_as_they_were(
    stack: "Stack", file: Path, manager: SessionManager
) -> None:
    before = list(manager.all())
    for _ in manager.clear():
        pass

    done = stack.manage("sessions", "import", str(file))

    state = manager.state("me")
    assert "2 sessions restored in pool default, 0 of them on another" in done.stdout
    assert {one.proxy for one in manager.all()} == {one.proxy for one in before}
    assert state is not None
    assert state.metadata == {"who": "me"}


def test_sessions_that_exist_are_replaced_only_when_told(
    stack: "Stack", file: Path, manager: SessionManager
) -> None:
    manager.set_metadata("me", who="somebody else")

    kept = json.loads(stack.manage("sessions", "import", str(file), "--json").stdout)
    before = manager.state("me")
    command = ("sessions", "import", str(file), "--replace", "--json")
    blind = stack.manage(*command)
    unasked = manager.state("me")
    done = stack.manage(*command, "--yes")
    after = manager.state("me")

    assert (kept["restored"], kept["kept"]) == (0, 2)
    assert (blind.returncode, unasked) == (1, before)
    assert "Replace those of the 2 sessions of pool default" in blind.stderr
    assert json.loads(done.stdout)["restored"] == 2
    assert before is not None
    assert after is not None
    assert (before.metadata["who"], after.metadata["who"]) == ("somebody else", "me")


def test_a_file_that_was_cut_restores_nothing(
    stack: "Stack", file: Path, manager: SessionManager
) -> None:
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    manager.close("me")

    done = stack.manage("sessions", "import", str(file))
    noise = stack.manage("sessions", "import", "-", stdin="\x00no sessions")
    absent = stack.manage("sessions", "import", "/proc/nowhere")

    codes = [one.returncode for one in (done, noise, absent)]
    assert codes == [1, 1, 2]
    assert "limpet: this is no whole file of exported sessions" in done.stderr
    assert manager.get("me") is None


def test_a_session_without_a_proxy_is_left_out(stack: "Stack", file: Path) -> None:
    done = stack.manage("sessions", "import", str(file), "--pool", "empty")

    assert done.returncode == 1
    assert "2 sessions left out: no proxy may be used now" in done.stderr


def test_a_file_of_sessions_is_not_replaced_unasked(stack: "Stack", file: Path) -> None:
    before = file.read_text()

    blind = stack.manage("sessions", "export", "--out", str(file))
    nowhere = stack.manage("sessions", "export", "--out", "/proc/nowhere/x")
    unnamed = stack.manage("sessions", "export")

    codes = [one.returncode for one in (blind, nowhere, unnamed)]
    assert (codes, file.read_text()) == ([1, 1, 2], before)
    assert "is there already" in blind.stderr
    assert "--out: cannot write /proc/nowhere/x" in nowhere.stderr


def test_sessions_under_a_retired_key_are_left_out_and_named(
    stack: "Stack", manager_of: Callable[..., SessionManager], tmp_path: Path
) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    for name, key in (("lost", old), ("there", new)):
        manager = manager_of(sealer=Sealer([key]))
        manager.release(manager.acquire(name, hold=30), patch={"user_agent": name})
    path = tmp_path / "sessions.jsonl"
    stack.environment["LIMPET_STATE_KEYS"] = new

    done = stack.manage("sessions", "export", "--out", str(path))

    named = [json.loads(line).get("session") for line in path.read_text().splitlines()]
    assert done.returncode == 1
    assert "1 session left out" in done.stderr
    assert done.stderr.rstrip().endswith(": lost")
    assert named == [None, "there", None]


def test_sessions_go_from_one_pool_to_another_through_a_pipe(
    stack: "Stack", file: Path
) -> None:
    stack.manage("proxies", "import", "-", "--pool", "shop", stdin="127.0.8.1:80")

    done = stack.manage("sessions", "export", "--out", "-")
    taken = stack.manage("sessions", "import", "-", "--pool", "shop", stdin=done.stdout)
    both = stack.manage("sessions", "export", "--out", "-", "--json")

    assert done.stdout == file.read_text("utf-8")
    assert "2 sessions in -" in done.stderr
    assert "2 sessions restored in pool shop" in taken.stdout
    assert (both.returncode, both.stdout) == (2, "")
