"""What is printed of one page: all of it, or a word about what is not there."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from lab import Lab

if TYPE_CHECKING:
    from tests.stack import Stack

ROOT = Path(__file__).resolve().parents[2]


def test_a_page_that_a_result_cannot_hold_is_not_passed_off_as_whole(
    served: "Stack", lab: Lab
) -> None:
    url = f"{lab.site}/text/300000"

    cut = served.manage("scrape", url)
    kept = served.manage("scrape", url, "--store", "body", "--json")
    [rest] = re.findall(r"python manage.py (results show \S+ --body)", kept.stderr)
    whole = served.manage(*rest.split())

    assert (cut.returncode, kept.returncode, whole.returncode) == (1, 1, 0)
    assert cut.stdout == "x" * 262_144 + "\n"
    assert "beginning of the page" in cut.stderr
    assert "--store body" in cut.stderr
    assert json.loads(kept.stdout)["cut"] is True
    assert whole.stdout == "x" * 300_000


def test_a_page_longer_than_max_bytes_fails_unless_that_was_asked_for(
    served: "Stack", lab: Lab
) -> None:
    longer = served.manage("scrape", f"{lab.site}/text/1100000")
    asked = served.manage("scrape", f"{lab.site}/text/200", "--max-bytes", "100")

    says = "the page is longer than --max-bytes: {} bytes were read"
    assert (longer.returncode, asked.returncode) == (1, 0)
    assert says.format("1,048,576") in longer.stderr
    assert says.format("100") in asked.stderr
    assert asked.stdout == "x" * 100 + "\n"


def test_letters_that_standard_output_cannot_have_are_told_of(
    served: "Stack", lab: Lab
) -> None:
    url = f"{lab.site}/charset"

    done = served.run("manage.py", "scrape", url, PYTHONIOENCODING="ascii")

    assert done.returncode == 1
    assert "<p>12 ? " in done.stdout
    assert done.stderr.splitlines()[-1] == (
        "limpet: ? stands for letters that standard output cannot have (ascii): "
        "set PYTHONIOENCODING=utf-8"
    )


def test_a_page_that_is_not_waited_for_can_be_waited_for_again(
    served: "Stack", lab: Lab, eventually: Callable[..., None]
) -> None:
    url = f"{lab.site}/shop/later/1?delay=3"
    with served.log("scrape").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "scrape", url],
            env=served.environment,
            cwd=ROOT,
            stderr=log,
        )
    with Redis.from_url(served.broker_url) as broker:
        begun = f"celery-task-meta-page-{'?' * 12}"
        known = set(broker.keys(begun))
        eventually(lambda: set(broker.keys(begun)) > known, within=30)

    process.send_signal(signal.SIGINT)
    code = process.wait(20)
    [command] = re.findall(
        r"python manage.py (scrape --resume \S+)", served.log("scrape").read_text()
    )
    resumed = served.manage(*command.split())
    confused = served.manage(*command.split(), url)

    assert code == 130
    assert resumed.returncode == 0, resumed.stderr
    assert "Limpet shop, page 1" in resumed.stdout
    assert confused.returncode == 2
    assert len([one for one in lab.visits() if one.visitor == "later"]) == 1


@pytest.mark.parametrize(
    "command",
    ["jobs --json", "proxies ls", "settings", "scrape --resume page-{}"],
)
def test_a_full_disk_behind_standard_output_is_one_line(
    served: "Stack", lab: Lab, command: str
) -> None:
    page = served.manage("scrape", f"{lab.site}/whoami", "--json")
    job = json.loads(page.stdout)["job"].removeprefix("page-")

    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "manage.py", *command.format(job).split()],
            env=served.environment,
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == (
        "limpet: standard output: cannot be written (No space left on device)\n"
    )
