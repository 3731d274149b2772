"""The benches are too slow for the tests; that they start is seen here."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "name",
    [
        *("engine", "memory", "reap", "peers", "hostile", "loss", "noop", "jobs"),
        *("flower", "render", "shards"),
    ],
)
def test_every_bench_can_be_quick_and_give_json(name: str) -> None:
    said = subprocess.run(
        [sys.executable, f"bench/{name}.py", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    text = re.sub(r"\x1b\[[0-9;]*m", "", said.stdout)
    assert said.returncode == 0, said.stderr
    assert "Example" in text
    for option in ("--quick", "--json"):
        assert option in text
    # The others need no Redis, or bring brokers of their own.
    assert ("--server" in text) == (name not in {"hostile", "loss", "noop"})
