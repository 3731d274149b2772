"""`manage.py dead`: jobs that will never succeed, looked at and sent again."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from redis import Redis

from limpet.dead import DeadLetters, Letter, Reason, tables
from limpet.sealing import Sealer
from limpet.settings import Settings

if TYPE_CHECKING:
    from tests.stack import Stack

KEY = Fernet.generate_key().decode()
URL = "http://10.0.0.1/shop?token=S3cret"


@pytest.fixture
def letters(stack: "Stack") -> DeadLetters:
    """Four dead letters, which wait in Redis."""
    stack.environment["LIMPET_STATE_KEYS"] = KEY
    assert stack.manage("migrate").returncode == 0
    config = Settings(
        redis_url=SecretStr(stack.redis_url),
        state_dir=stack.folder,
        state_keys=SecretStr(KEY),
    )
    made = DeadLetters(config)
    for name, task, reason, payload in (
        ("a", "scrape", Reason.FAILED, {"args": [], "kwargs": {"url": URL}}),
        ("b", "scrape", Reason.INVALID, {"args": [1], "kwargs": {}}),
        ("c", "scrap", Reason.UNKNOWN, {"args": [], "kwargs": {"url": URL}}),
        ("d", "", Reason.MALFORMED, {"raw": "S3cret{"}),
    ):
        made.bury(
            Letter.seal(
                Sealer.of(config),
                payload,
                reason=reason,
                error="it could not be",
                id=name,
                task=task,
                queue="scrape",
            )
        )
    return made


def _json(stack: "Stack", *arguments: str) -> Any:
    done = stack.manage("dead", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_letters_are_listed_newest_first_and_by_what_they_are(
    stack: "Stack", letters: DeadLetters
) -> None:
    every = _json(stack, "ls")
    failed = _json(stack, "ls", "--reason", "failed")
    scrapes = _json(stack, "ls", "--task", "scrape")
    table = stack.manage("dead", "ls", "--limit", "1")

    assert [row["id"] for row in every] == ["d", "c", "b", "a"]
    assert [row["id"] for row in failed] == ["a"]
    assert [row["id"] for row in scrapes] == ["b", "a"]
    assert "malformed" in table.stdout
    assert "3 more: --limit 0 shows all" in table.stderr


def test_what_is_secret_in_a_letter_is_shown_only_when_it_is_asked_for(
    stack: "Stack", letters: DeadLetters
) -> None:
    shown = stack.manage("dead", "show", "a")
    raw = stack.manage("dead", "show", "d")
    revealed = _json(stack, "show", "a", "--reveal")

    assert "http://10.0.0.1/shop" in shown.stdout
    assert "S3cret" not in shown.stdout + raw.stdout
    assert revealed["kwargs"] == {"url": URL}
    assert b"S3cret" not in (stack.folder / "limpet.db").read_bytes()


def test_a_job_is_sent_again_under_its_name_id_and_queue(
    stack: "Stack", letters: DeadLetters
) -> None:
    sent = _json(stack, "retry", "a")
    left = [row["id"] for row in _json(stack, "ls")]
    stack.worker()
    text = str(stack.app().AsyncResult("a").get(timeout=20, propagate=False))
    again = _json(stack, "ls")

    assert sent == {"sent": ["a"], "kept": []}
    assert left == ["d", "c", "b"]
    # No job may go there, so it fails again, and comes back under its id.
    assert "10.0.0.1 is not public" in text
    assert [row["id"] for row in again].count("a") == 1


def test_what_is_no_job_cannot_be_sent(stack: "Stack", letters: DeadLetters) -> None:
    every = _json(stack, "retry", "--all", "--yes")
    one = stack.manage("dead", "retry", "d")

    assert (sorted(every["sent"]), every["kept"]) == (["a", "b", "c"], ["d"])
    assert one.returncode == 1
    assert "1 letter kept: there is no job in them" in one.stderr


def test_letters_are_forgotten_only_when_somebody_says_so(
    stack: "Stack", letters: DeadLetters
) -> None:
    refused = stack.manage("dead", "purge", "--all", "--reason", "malformed")
    unnamed = stack.manage("dead", "purge", "--yes")
    missing = stack.manage("dead", "purge", "x", "--yes")
    removed = _json(stack, "purge", "--all", "--reason", "malformed", "--yes")

    assert (refused.returncode, unnamed.returncode, missing.returncode) == (1, 2, 1)
    assert "Forget 1 dead letter for good? Say so with --yes." in refused.stderr
    assert missing.stderr == "limpet: there is no dead letter 'x'\n"
    assert removed == {"removed": 1}
    assert [row["id"] for row in _json(stack, "ls")] == ["c", "b", "a"]


def test_a_job_is_sent_again_where_it_was_with_the_priority_it_had(
    stack: "Stack", letters: DeadLetters, redis_port: int
) -> None:
    config = Settings(
        redis_url=SecretStr(stack.redis_url),
        state_dir=stack.folder,
        state_keys=SecretStr(KEY),
    )
    payload = {"args": [1], "kwargs": {}, "priority": 6}
    about = {"id": "theirs", "task": "mine.work", "queue": "mine"}
    letters.bury(
        Letter.seal(Sealer.of(config), payload, reason=Reason.LOST, error="e", **about)
    )

    assert _json(stack, "retry", "theirs") == {"sent": ["theirs"], "kept": []}

    broker = Redis(port=redis_port, db=0)
    message = json.loads(broker.lindex("mine\x06\x166", 0) or b"")
    assert message["headers"]["id"] == "theirs"
    assert message["properties"]["delivery_info"]["routing_key"] == "mine"


def test_a_letter_that_has_come_back_meanwhile_is_not_taken_for_the_old_one(
    stack: "Stack", letters: DeadLetters
) -> None:
    letters.move()
    [old] = tables.load(letters.engine, ids=["a"])
    tables.save(letters.engine, [replace(old, at=old.at + 5, error="again")])

    assert tables.remove(letters.engine, ids=["a"], before=old.at + 0.001) == 0
    assert tables.remove(letters.engine, ids=["b"], before=old.at + 5) == 1
    assert [one.error for one in tables.load(letters.engine, ids=["a"])] == ["again"]


def test_letters_are_counted_by_reason(stack: "Stack", letters: DeadLetters) -> None:
    _json(stack, "purge", "--all", "--reason", "failed", "--yes")

    rows = {row["reason"]: (row["kept"], row["ever"]) for row in _json(stack, "stats")}
    table = stack.manage("dead", "stats")

    assert rows["failed"] == (0, 1)
    assert rows["malformed"] == rows["invalid"] == rows["unknown_task"] == (1, 1)
    assert rows["lost"] == (0, 0)
    assert "unknown_task" in table.stdout


def test_a_failed_job_s_priority_is_in_its_letter(stack: "Stack") -> None:
    assert stack.manage("migrate").returncode == 0
    stack.worker()
    job = stack.app().send_task("scrape", kwargs={"url": "x"}, priority=9)
    job.get(timeout=30, propagate=False)

    shown = _json(stack, "show", job.id, "--reveal")

    assert (shown["priority"], shown["queue"]) == (9, "celery")
