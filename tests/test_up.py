"""``make up`` starts nothing that cannot stay, and does not stay half up."""

import fcntl
import subprocess
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from redis import Redis

from limpet.names import INBOX_QUEUE, QUEUES
from limpet.services import services
from limpet.settings import Settings

if TYPE_CHECKING:
    from tests.stack import Stack

ROOT = Path(__file__).resolve().parent.parent


def test_a_flood_of_jobs_holds_up_no_upkeep_and_no_webhook() -> None:
    taken = [
        one.command[one.command.index("-Q") + 1].split(",")
        for one in services(Settings())
        if "-Q" in one.command
    ]

    # Who takes the first one takes the inbox, too.
    assert taken == [["scrape"], ["render"], ["upkeep", "webhooks"]]
    assert {INBOX_QUEUE, *chain(*taken)} == set(QUEUES)


def test_up_does_not_start_what_could_not_stay(
    stack: "Stack", redis: Redis, free_port: Callable[[], int]
) -> None:
    redis.config_set("maxmemory-policy", "allkeys-lru")
    port = str(free_port())
    try:
        evicting = stack.manage("up", FLOWER_PORT=port)
    finally:
        redis.config_set("maxmemory-policy", "noeviction")
    exposed = stack.manage("up", FLOWER_PORT=port, FLOWER_ADDRESS="0.0.0.0")

    assert (evicting.returncode, exposed.returncode) == (1, 1)
    assert evicting.stderr.startswith("limpet: LIMPET_REDIS_URL: the session Redis has")
    assert exposed.stderr.startswith("limpet: FLOWER_ADDRESS: '0.0.0.0' can be reached")


def test_up_has_its_state_folder_to_itself(
    stack: "Stack", free_port: Callable[[], int]
) -> None:
    with (stack.folder / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        done = stack.manage("up", FLOWER_PORT=str(free_port()))

    assert done.returncode == 1
    assert "set another LIMPET_STATE_DIR, and other ports" in done.stderr


def test_up_stops_everything_when_a_service_does_not_stay_up(
    stack: "Stack", free_port: Callable[[], int]
) -> None:
    # An option that only Flower reads, and refuses.
    wrong = {"FLOWER_PORT": str(free_port()), "FLOWER_MAX_TASKS": "many"}

    with (stack.folder / "up.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            env={**stack.environment, **wrong},
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        code = process.wait(180)
    finally:
        process.terminate()
        process.wait(60)

    assert code == 1
    said = stack.log("up").read_text()
    assert "limpet: flower does not stay up, so everything was stopped" in said
