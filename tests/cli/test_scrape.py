"""One page from the command line."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lab import Lab

if TYPE_CHECKING:
    from tests.conftest import Stack

ROOT = Path(__file__).resolve().parents[2]


def test_a_page_is_printed_and_told_about(stack: "Stack", lab: Lab) -> None:
    stack.manage("proxies", "import", "-", stdin=lab.proxies[0].line)
    stack.worker()

    plain = stack.manage("scrape", f"{lab.site}/whoami", "--session", "me")
    as_json = stack.manage("scrape", f"{lab.site}/whoami", "--json")

    assert json.loads(plain.stdout)["address"] == lab.proxies[0].exit_address
    assert "session me" in plain.stderr
    assert json.loads(as_json.stdout)["status"] == 200


def test_a_failed_job_ends_the_command_with_its_reason(stack: "Stack") -> None:
    stack.worker()

    bad_url = stack.manage("scrape", "example.com")
    no_proxy = stack.manage("scrape", "http://example.com")

    assert (bad_url.returncode, no_proxy.returncode) == (1, 1)
    assert "limpet: url: must be an http:// or https:// URL" in bad_url.stderr
    assert "pool 'default' has no proxy that is in use: import some" in no_proxy.stderr


def test_without_a_worker_a_log_gets_the_hint_once(
    stack: "Stack", eventually: Callable[..., None]
) -> None:
    log = stack.log("scrape")
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "scrape", "http://x.example"],
            env=stack.environment,
            cwd=ROOT,
            stderr=file,
        )

    try:
        eventually(lambda: "is a worker running?" in log.read_text(), within=30)
        time.sleep(0.3)
    finally:
        process.kill()
        process.wait()
    assert len(log.read_text().splitlines()) == 1
