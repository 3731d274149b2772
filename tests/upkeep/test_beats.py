"""Beat: one of several is active, another follows it, and the environment counts."""

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis
from redis.exceptions import RedisError

from beat_schedule import ENTRIES
from limpet.connection import connect
from limpet.embedded import server_command
from limpet.keys import BEAT_ACTIVE, BEAT_SENT
from limpet.names import SNAPSHOT_METRICS
from limpet.upkeep import UpkeepStore
from tests.conftest import Eventually
from tests.stack import Stack

SNAPSHOT: Final = "snapshot metrics"
#: All but snapshots are off.
ALONE: Final = {
    entry.switch(): "false" for entry in ENTRIES if entry.task != SNAPSHOT_METRICS
}
EVERY: Final = "LIMPET_SNAPSHOT_INTERVAL_SECONDS"


@pytest.fixture
def store(redis: Redis) -> UpkeepStore:
    return UpkeepStore(redis)


@pytest.fixture
def queued(stack: Stack) -> Callable[[], list[dict[str, Any]]]:
    """The headers of what beat has sent and nobody has taken, in order."""

    def read() -> list[dict[str, Any]]:
        broker = connect(stack.broker_url)
        found: Any = broker.lrange("upkeep", 0, -1)
        return [json.loads(text)["headers"] for text in reversed(found)]

    return read


Queued = Callable[[], list[dict[str, Any]]]


def test_of_two_beats_one_sends_and_the_other_follows_when_it_is_killed(
    stack: Stack, store: UpkeepStore, queued: Queued, eventually: Eventually
) -> None:
    often = {**ALONE, EVERY: "1"}
    first = stack.celery("beat", log="first", **often)
    eventually(lambda: store.beat().active, within=20)
    stack.celery("beat", log="second", **often)
    eventually(lambda: "beat_waits" in stack.log("second").read_text(), within=20)
    leader = store.beat().name

    first.kill()

    eventually(lambda: store.beat().active and store.beat().name != leader, within=30)
    before = len(queued())
    eventually(lambda: len(queued()) > before + 4, within=20)
    slots = Counter(one["upkeep_slot"] for one in queued())
    assert max(slots.values()) == 1
    sent = [one["upkeep_sent_ms"] for one in queued()]
    assert all(later - earlier >= 1000 for earlier, later in pairwise(sent))


def test_a_beat_without_a_broker_stays_active_and_sends_when_it_is_there(
    stack: Stack,
    store: UpkeepStore,
    redis: Redis,
    free_port: Callable[[], int],
    tmp_path: Path,
    eventually: Eventually,
) -> None:
    port = free_port()
    away = {"CELERY_BROKER_URL": f"redis://127.0.0.1:{port}/0", EVERY: "1", **ALONE}
    stack.celery("beat", log="beat", **away)
    log = stack.log("beat")
    eventually(lambda: "beat_has_no_broker" in log.read_text(), within=30)

    # Longer than a beat that is silent stays the active one.
    redis.delete(BEAT_ACTIVE)
    eventually(lambda: store.beat().active, within=20)

    command = server_command(port, tmp_path / "broker")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as broker:
        sent = connect(f"redis://127.0.0.1:{port}/0")
        try:
            eventually(lambda: _length(sent) > 1, within=30)
        finally:
            broker.kill()
    assert log.read_text().count("beat_has_no_broker") == 1


def _length(broker: Redis) -> int:
    try:
        return int(broker.llen("upkeep"))
    except RedisError:
        return 0


def test_a_beat_that_is_told_to_stop_makes_way_at_once(
    stack: Stack, store: UpkeepStore, redis: Redis, eventually: Eventually
) -> None:
    beat = stack.celery("beat", log="beat", **ALONE)
    eventually(lambda: store.beat().active, within=20)

    beat.send_signal(signal.SIGTERM)
    beat.wait(20)

    assert not store.beat().active
    assert redis.exists(BEAT_ACTIVE) == 0


def test_a_changed_interval_wins_over_what_was_before(
    stack: Stack, store: UpkeepStore, redis: Redis, eventually: Eventually
) -> None:
    slow = stack.celery("beat", log="slow", **ALONE, **{EVERY: "3600"})
    eventually(lambda: SNAPSHOT in store.beat().sent, within=20)
    first = store.beat().sent[SNAPSHOT]
    slow.terminate()
    slow.wait(20)

    stack.celery("beat", log="quick", **ALONE, **{EVERY: "1"})

    eventually(lambda: store.beat().sent[SNAPSHOT] > first + 2, within=20)


#: A beat that is told to end just while Python clears something away.
DEAF = """
import os, signal
from tasks.celery import app
from tasks.scheduler import Scheduler

class Deaf:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        print("told", flush=True)

class Odd(Scheduler):
    def tick(self):
        super().tick()
        Deaf()
        return 0.1

app.Beat(scheduler_cls=Odd).run()
"""


def test_a_beat_that_is_told_to_end_at_an_odd_moment_ends(stack: Stack) -> None:
    done = stack.run("-c", DEAF, **ALONE)

    assert done.returncode == 0, done.stderr
    assert "Exception ignored" in done.stderr
    assert done.stdout.count("told") <= 1


def test_what_is_turned_off_is_sent_no_more(
    stack: Stack, store: UpkeepStore, queued: Queued, eventually: Eventually
) -> None:
    on = stack.celery("beat", log="on", **ALONE, **{EVERY: "1"})
    eventually(lambda: len(queued()) > 2, within=20)
    on.terminate()
    on.wait(20)
    sent = len(queued())

    letters = {"LIMPET_DEAD_LETTERS_ENABLED": "true"}
    often = {"LIMPET_DEAD_LETTERS_INTERVAL_SECONDS": "1"}
    off = {**ALONE, **letters, **often, "LIMPET_SNAPSHOT_ENABLED": "false"}
    stack.celery("beat", log="off", **off)

    eventually(lambda: len(queued()) > sent + 5, within=20)
    assert {one["task"] for one in queued()[sent:]} == {"store_dead_letters"}


def test_missed_times_are_made_up_for_once(
    stack: Stack,
    redis: Redis,
    queued: Queued,
    store: UpkeepStore,
    eventually: Eventually,
) -> None:
    long_ago = int(store.beat().now * 1000) - 86_400_000
    redis.hset(BEAT_SENT, SNAPSHOT, long_ago)
    redis.hset(BEAT_SENT, "store dead letters", long_ago)
    hourly = {**ALONE, EVERY: "3600", "LIMPET_DEAD_LETTERS_ENABLED": "true"}

    beat = stack.celery(
        "beat", log="beat", **{**hourly, "LIMPET_DEAD_LETTERS_CRONTAB": "0 * * * *"}
    )

    eventually(lambda: len(queued()) == 2, within=20)
    tick = store.beat().tick
    eventually(lambda: store.beat().tick > tick + 5, within=20)
    assert beat.poll() is None
    assert Counter(one["task"] for one in queued()) == {
        "snapshot_metrics": 1,
        "store_dead_letters": 1,
    }


def test_a_crontab_that_is_new_waits_for_its_first_time(
    stack: Stack, queued: Queued, store: UpkeepStore, eventually: Eventually
) -> None:
    yearly = {**ALONE, "LIMPET_SNAPSHOT_CRONTAB": "0 0 1 1 *"}
    stack.celery("beat", log="beat", **yearly)

    eventually(lambda: SNAPSHOT in store.beat().sent, within=20)
    assert queued() == []


def test_a_clock_that_was_put_back_stops_nothing(
    stack: Stack,
    redis: Redis,
    queued: Queued,
    store: UpkeepStore,
    eventually: Eventually,
) -> None:
    redis.hset(BEAT_SENT, SNAPSHOT, int(store.beat().now * 1000) + 3_600_000)

    stack.celery("beat", log="beat", **ALONE, **{EVERY: "1"})

    eventually(lambda: len(queued()) > 1, within=20)


def test_what_waited_for_a_worker_is_done_once(
    stack: Stack,
    redis: Redis,
    queued: Queued,
    store: UpkeepStore,
    eventually: Eventually,
) -> None:
    stack.manage("migrate")
    beat = stack.celery("beat", log="beat", **ALONE, **{EVERY: "1"})
    eventually(lambda: len(queued()) > 10, within=20)
    beat.terminate()
    beat.wait(20)

    stack.worker()

    eventually(lambda: queued() == [], within=20)
    log = stack.log("worker")
    eventually(lambda: log.read_text().count("upkeep_left_out") >= 10, within=20)
    eventually(lambda: store.record("snapshot_metrics").runs == 1, within=20)


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("SESSION_CLEANUP_CRONTAB", "*/99 * * * *", "minute 0-59"),
        ("SESSION_CLEANUP_CRONTAB", "60 * * * *", "minute 0-59"),
        ("SESSION_CLEANUP_CRONTAB", "*/0 * * * *", "minute 0-59"),
        ("LIMPET_SNAPSHOT_CRONTAB", "0 0 31 2 *", "five fields"),
        ("LIMPET_SNAPSHOT_CRONTAB", "* * * *", "five fields"),
        ("LIMPET_DEAD_LETTERS_CRONTAB", "@often", "@hourly"),
        ("SESSION_CLEANUP_INTERVAL_MINUTES", "-5", "from 0.02, to 525,600"),
        ("SESSION_CLEANUP_INTERVAL_MINUTES", "abc", "from 0.02, to 525,600"),
        ("LIMPET_SNAPSHOT_INTERVAL_SECONDS", "nan", "from 1, to 86,400"),
        ("SESSION_CLEANUP_ENABLED", "perhaps", "true or false"),
    ],
)
def test_a_wrong_value_stops_beat_with_one_line(
    stack: Stack, variable: str, value: str, allowed: str
) -> None:
    done = stack.run("-m", "celery", "-A", "tasks", "beat", **{variable: value})

    [line] = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert line.startswith(f"limpet: {variable}: ")
    assert allowed in line
    assert repr(value) in line
