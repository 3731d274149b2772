"""One page from the command line."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from lab import Lab
from sessions.store import pool_names

if TYPE_CHECKING:
    from tests.stack import Stack

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

    bad_url = stack.manage("scrape", "ftp://example.com")
    no_proxy = stack.manage("scrape", "http://example.com")

    assert (bad_url.returncode, no_proxy.returncode) == (1, 1)
    assert "limpet: url: must be an http:// or https:// URL" in bad_url.stderr
    assert "pool 'default' has no proxy that is in use: import some" in no_proxy.stderr


def test_a_pool_that_a_job_names_in_vain_is_none(
    stack: "Stack", redis: Redis, lab: Lab
) -> None:
    line = lab.proxies[0].line
    stack.manage("proxies", "import", "-", "--pool", "shop", stdin=line)
    stack.worker()

    stack.manage("scrape", "http://example.com", "--pool", "ghost")
    known = pool_names(redis)
    redis.flushdb()
    stack.manage("scrape", f"{lab.site}/whoami", "--pool", "shop")

    assert known == ["shop"]
    assert pool_names(redis) == ["shop"]


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


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--header", "S3cret"), "--header: must be a name, ':' and a value"),
        (("--header", "A: S3cret", "--header", "A: x"), "--header: A is there twice"),
        (("--header", "Host: S3cret"), "must not set host"),
        (("--param", "S3cret"), "--param: must be a name, '=' and a value"),
        (("--json-body", "{S3cret"), "--json-body: is no JSON"),
        (("--json-body", "5", "--param", "S3cret"), "--param: must be a name"),
        (("--extract", "5"), "extract: "),
        (("--extract", "[" * 30_000), "--extract: is nested too deeply"),
        (("--extract", "/no/such/file"), "--extract: neither JSON nor a file that can"),
        (("--extract", '{"a": ">>S3cret"}'), "extract.a.css: is no CSS selector"),
        (("--timeout", "0"), "timeout: input should be greater than 0"),
        (("--priority", "10"), "priority: must be from 0 (most urgent) to 9"),
        (("--sessions", "0"), "'--sessions': Input should be greater than or equal"),
        (("--sessions", "3"), "--sessions, --out and --delay are for several pages"),
    ],
)
def test_what_cannot_be_asked_is_said_and_no_value_is_repeated(
    stack: "Stack", options: tuple[str, ...], says: str
) -> None:
    done = stack.manage("scrape", "http://x.example", *options)

    assert done.returncode in {1, 2}
    assert says in done.stderr
    assert "S3cret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_to_fetch_is_said(stack: "Stack") -> None:
    assert "give a URL, a file of them, or --resume ID" in stack.manage("scrape").stderr
