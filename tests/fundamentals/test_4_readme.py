"""The README's examples, run as they stand: only addresses are the test's own."""

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lab import Lab

if TYPE_CHECKING:
    from tests.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_example_for_an_app_works(stack: "Stack", lab: Lab, tmp_path: Path) -> None:
    stack.manage("proxies", "import", "-", stdin=lab.proxies[0].line)
    stack.worker()
    [example] = _blocks("python")
    example = example.replace("redis://127.0.0.1:6399/0", stack.broker_url)
    example = example.replace("https://example.com", f"{lab.site}/shop/user-42/1")

    # Elsewhere and without our path: as in an app of its own.
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.startswith("200 user-42 1 <!doctype html>"), done.stderr


def test_the_commands_for_one_s_own_work_work(
    stack: "Stack", lab: Lab, tmp_path: Path
) -> None:
    stack.worker()
    file = tmp_path / "proxies.txt"
    file.write_text("\n".join(proxy.line for proxy in lab.proxies))
    [commands] = [block for block in _blocks("sh") if "manage.py scrape" in block]
    commands = commands.replace("proxies.txt", str(file))
    commands = commands.replace("https://example.com", f"{lab.site}/whoami")

    lines = [line for line in commands.splitlines() if line.startswith("python ")]
    done = [stack.run(*line.split()[1:]) for line in lines]

    assert [one.returncode for one in done] == [0, 0], done
    assert "5 new" in done[0].stdout
    assert '"address":"127.0.7.' in done[1].stdout.replace(" ", "")


def test_the_services_are_plain_celery(stack: "Stack") -> None:
    [commands] = [block for block in _blocks("sh") if "celery -A tasks" in block]

    for line in commands.splitlines():
        program, *arguments = line.split()
        done = stack.run("-m", program, *arguments, "--help")
        assert done.returncode == 0, done.stderr


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    texts = README + (ROOT / "CONTRIBUTING.md").read_text("utf-8")

    for target in set(re.findall(r"(?:^|`)make (\w+)", texts, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_variable_that_is_named_exists() -> None:
    reference = (ROOT / "docs" / "settings.md").read_text("utf-8")

    for name in set(re.findall(r"`((?:LIMPET|SESSION|CELERY)_[A-Z_]+)`", README)):
        assert f"`{name}`" in reference, name
