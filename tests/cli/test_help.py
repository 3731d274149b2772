"""What every command has in common: help at once, an example, scripts, a pool."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
import typer

from cli import app
from cli.inventory import Form
from proxies.formats import Format

if TYPE_CHECKING:
    from tests.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
#: What takes longer to import than help may take.
HEAVY = ("alembic", "celery", "redis", "requests", "sqlalchemy", "tasks")


def commands() -> Iterator[Any]:
    """Every command as (its words, the command itself)."""

    def walk(words: tuple[str, ...], command: Any) -> Iterator[Any]:
        if not hasattr(command, "commands"):
            yield pytest.param(command, id=" ".join(words))
        for name, one in getattr(command, "commands", {}).items():
            yield from walk((*words, name), one)

    return walk((), typer.main.get_command(app))


@pytest.mark.parametrize("command", list(commands()))
def test_a_command_gives_an_example_of_itself(command: Any) -> None:
    example = command.help.rpartition("Example: ")[2]

    assert f" {command.name}" in example


@pytest.mark.parametrize(
    "command", [one for one in commands() if re.match("proxies|sessions", str(one.id))]
)
def test_a_command_on_a_pool_is_fit_for_scripts(command: Any) -> None:
    options = {name for parameter in command.params for name in parameter.opts}

    # A task id says which result is meant, whatever its pool.
    wanted = {"--json"} if command.name == "show" and "--body" in options else set()
    assert (wanted or {"--pool", "--json"}) <= options


def test_help_waits_for_nothing_heavy() -> None:
    code = (
        "import runpy, sys\n"
        "sys.argv = ['manage.py', 'proxies', 'import', '--help']\n"
        "try:\n    runpy.run_path('manage.py', run_name='__main__')\n"
        "except SystemExit as done:\n"
        f"    print(done.code, [one for one in {HEAVY} if one in sys.modules])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines()[-1] == "0 []"


@pytest.mark.parametrize(
    ("command", "slow"),
    [
        (("sessions", "stats"), ["alembic", "celery"]),
        (("proxies", "ls"), ["alembic", "celery"]),
        (("settings",), ["alembic", "celery", "redis", "sqlalchemy"]),
    ],
)
def test_a_command_imports_only_what_it_needs(
    stack: "Stack", command: tuple[str, ...], slow: list[str]
) -> None:
    stack.manage("migrate")
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['manage.py', *{command}]\n"
        "try:\n    runpy.run_path('manage.py', run_name='__main__')\n"
        "except SystemExit as done:\n"
        f"    print(done.code, [one for one in {slow} if one in sys.modules])\n"
    )

    done = stack.run("-c", code)

    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


def test_every_command_that_is_named_exists_and_is_described() -> None:
    words = {str(one.id) for one in commands()}
    readme = (ROOT / "README.md").read_text("utf-8")
    page = (ROOT / "docs" / "commands.md").read_text("utf-8")

    named = re.findall(
        r"manage\.py (?:(proxies|sessions|dead) )?([a-z]+)", readme + page
    )
    for group, name in named:
        assert f"{group} {name}".strip() in words | {"proxies", "sessions", "dead"}, (
            name
        )
    for name in words:
        assert f"`{name.rpartition(' ')[2]}" in page, name


def test_the_formats_that_can_be_said_are_those_that_can_be_read() -> None:
    assert list(get_args(Form)) == [form.value for form in Format]


@pytest.mark.parametrize("name", ["Shop", "x" * 33, "default\n"])
def test_a_pool_s_name_is_checked_before_anything_is_done(
    stack: "Stack", name: str
) -> None:
    done = stack.manage("sessions", "clear", "--yes", "--pool", name)

    assert done.returncode == 2
    assert done.stderr.startswith("limpet: --pool: must be 1 to 32 of a-z, 0-9")
    assert len(done.stderr.splitlines()) == 1
