"""The page about jobs: up to date, and its examples run as they stand."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from lab import Lab
from limpet.client import Limpet
from limpet.jobs.reference import reference, schemas

if TYPE_CHECKING:
    from tests.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "jobs.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def _run(example: str, running: "Stack", lab: Lab, folder: Path, path: str) -> str:
    example = example.replace("redis://127.0.0.1:6399/0", running.broker_url)
    example = example.replace("https://example.com/", f"{lab.site}/shop/many/")
    example = example.replace("https://example.com", f"{lab.site}/shop/user-42/1")
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_is_up_to_date() -> None:
    assert reference() == PAGE, "run: make docs"


def test_the_command_gives_the_schemas_to_programs(running: "Stack") -> None:
    found = running.manage("jobs", "--json")

    assert json.loads(found.stdout) == schemas()
    assert "idempotency_key" in running.manage("jobs").stdout


def test_the_schemas_have_every_field_by_the_name_it_is_sent_with() -> None:
    for name, own in (("scrape", {"url"}), ("scrape_many", {"urls", "delay"})):
        fields = schemas()[name]["properties"]

        assert own | {"json", "headers", "extract", "webhook", "max_age"} <= set(fields)
        assert schemas()[name]["additionalProperties"] is False


def test_the_example_of_the_client_works(
    running: "Stack", lab: Lab, tmp_path: Path
) -> None:
    example, _ = _blocks("python")

    told = _run(example, running, lab, tmp_path, str(ROOT)).splitlines()

    assert told[0].startswith("200 user-42 1 <!doctype html>")
    assert told[1:3] == ["0 200 None", "1 200 None"]
    assert "0 200 {'title': 'Limpet shop, page 0'}" in told
    assert told[-1].startswith("BatchProgress(total=100, done=100, failed=0, left=0")


def test_the_example_of_any_celery_works(
    running: "Stack", lab: Lab, tmp_path: Path
) -> None:
    _, example = _blocks("python")

    told = _run(example, running, lab, tmp_path, "")

    assert told.startswith("200 user-42 ")


@pytest.mark.parametrize("place", ["scrape", "celery", "scrape\x06\x169"])
def test_the_message_for_any_language_works(
    running: "Stack", limpet: Limpet, lab: Lab, place: str
) -> None:
    message: dict[str, Any] = json.loads(_blocks("json")[0])
    name = message["headers"]["id"]
    body = message["body"].replace("https://example.com", f"{lab.site}/shop/any/1")
    text = json.dumps({**message, "body": body})
    with Redis.from_url(running.broker_url) as broker:
        broker.delete(f"celery-task-meta-{name}")

        broker.lpush(place, text)
        page = limpet.job(name).get(timeout=30)
        kept = json.loads(str(broker.get(f"celery-task-meta-{name}"), "utf-8"))

    assert (kept["status"], kept["result"]["status"]) == ("SUCCESS", 200)
    assert page.job == name
