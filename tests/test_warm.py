"""What the tests run in a warm process ends as it does for people, who start cold."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.stack import Stack


@pytest.mark.parametrize(
    "command",
    [
        ("settings", "--json"),
        ("seal",),
        ("proxies", "ls"),
        ("sessions", "stats"),
        ("sessions", "show", "nobody"),
        ("sessions", "close"),
    ],
)
def test_a_warm_command_ends_as_a_cold_one(
    stack: "Stack", command: tuple[str, ...]
) -> None:
    warm, cold = stack.manage(*command), stack.run("manage.py", *command)

    assert warm.returncode == cold.returncode
    assert (warm.stdout, warm.stderr) == (cold.stdout, cold.stderr)
    assert warm.stdout or warm.stderr


def test_a_warm_command_is_given_its_own_input_and_environment(stack: "Stack") -> None:
    command = ("proxies", "import", "-", "--json", "--dry-run")

    first = stack.manage(*command, stdin="10.0.0.1:80\n" * 10_000)
    second = stack.manage(*command, stdin="x", LIMPET_DIRECT_POOLS="default")

    assert '"repeated": 9999' in first.stdout
    assert "goes out without a proxy" in second.stderr
