"""A run of an upkeep task: alone, once for what beat sends, and written down."""

from typing import Any, Final

import pytest
from redis import Redis

from limpet.keys import BEAT, BEAT_ACTIVE, BEAT_SENT, TaskKeys
from limpet.upkeep import NEVER, UpkeepStore
from tests.conftest import Eventually
from tests.stack import Stack

TASK: Final = "store_dead_letters"
KEYS: Final = TaskKeys(TASK)


@pytest.fixture
def store(redis: Redis) -> UpkeepStore:
    return UpkeepStore(redis)


def begin(store: UpkeepStore, token: str, **said: Any) -> str:
    told = {"message": token, "slot": "", "sent_ms": 0, "by": "w", **said}
    return store.begin(TASK, token, **told)[0]


def now_ms(redis: Redis) -> int:
    seconds, micros = redis.time()
    return seconds * 1000 + micros // 1000


def test_of_two_runs_one_is_left_out(store: UpkeepStore) -> None:
    first, second = begin(store, "a"), begin(store, "b")

    assert (first, second) == ("go", "busy")
    assert store.record(TASK).overlaps == 1


def test_a_run_may_follow_one_that_has_ended(store: UpkeepStore) -> None:
    _, began = store.begin(TASK, "a", message="a", slot="", sent_ms=0, by="w")

    store.end(TASK, "a", began_ms=began, result='{"moved": 2}')

    assert begin(store, "b") == "go"
    assert store.record(TASK).result == {"moved": 2}


def test_a_run_that_lost_its_lock_takes_nobody_elses(
    store: UpkeepStore, redis: Redis
) -> None:
    _, began = store.begin(TASK, "a", message="a", slot="", sent_ms=0, by="w")
    redis.delete(KEYS.lock)
    begin(store, "b")

    kept = store.renew(TASK, "a")
    store.end(TASK, "a", began_ms=began)

    assert not kept
    assert begin(store, "c") == "busy"
    assert store.renew(TASK, "b")


def test_a_run_that_another_one_has_overtaken_leaves_the_word_to_that_one(
    store: UpkeepStore, redis: Redis
) -> None:
    begin(store, "a")
    redis.delete(KEYS.lock)
    begin(store, "b")
    assert store.end(TASK, "b", began_ms=1, result='{"moved": 2}')

    written = store.end(TASK, "a", began_ms=1, error="it hung")

    found = store.record(TASK)
    assert not written
    assert (found.result, found.error, found.overtaken) == ({"moved": 2}, "", 1)
    assert (found.runs, found.failures) == (1, 0)


@pytest.mark.parametrize("value", ["abc", b"\xff", "9" * 40, "1e400", ""])
def test_a_damaged_record_stops_no_run_and_is_told(
    store: UpkeepStore, redis: Redis, value: str | bytes
) -> None:
    begin(store, "a")
    store.end(TASK, "a", began_ms=1, error="x")
    for field in ("runs", "failures", "in_row", "started", "overlaps", "result", "ok"):
        redis.hset(KEYS.record, field, value)
    damaged = store.record(TASK).damaged

    begun = begin(store, "b"), begin(store, "c")
    store.end(TASK, "b", began_ms=1, result='{"moved": 2}')

    found = store.record(TASK)
    assert damaged == (value != "")
    assert begun == ("go", "busy")
    assert (found.runs, found.overlaps, found.result) == (1, 1, {"moved": 2})


def test_keys_of_another_type_make_way(store: UpkeepStore, redis: Redis) -> None:
    for key in (KEYS.lock, KEYS.record, KEYS.slot("7"), BEAT, BEAT_ACTIVE, BEAT_SENT):
        redis.rpush(key, "x")

    begun = begin(store, "a", slot="7", sent_ms=now_ms(redis) + 5000)
    active, _, sent = store.lead("token", "host:1")

    assert (begun, active, sent) == ("go", True, {})
    assert store.note_sent("token", "snapshot metrics", 7)
    assert store.beat().sent == {"snapshot metrics": 0.007}


def test_a_beat_that_is_active_no_more_writes_nothing_down(store: UpkeepStore) -> None:
    store.lead("token", "host:1")

    noted = store.note_sent("another", "snapshot metrics", 7)
    store.let_go("another")

    assert not noted
    assert (store.beat().sent, store.beat().active) == ({}, True)


def test_times_of_beat_that_are_none_are_as_if_never_sent(
    store: UpkeepStore, redis: Redis
) -> None:
    store.lead("token", "host:1")
    redis.hset(BEAT_SENT, mapping={"one": "abc", "two": 7000, "three": "9" * 40})
    redis.hset(BEAT, "since", "abc")

    _, _, sent = store.lead("token", "host:1")

    found = store.beat()
    assert sent == {"two": 7000}
    assert (found.sent, found.since, found.damaged) == ({"two": 7.0}, 0.0, True)


def test_the_lock_of_a_run_whose_process_died_expires(
    store: UpkeepStore, redis: Redis
) -> None:
    begin(store, "a")

    assert 0 < redis.pttl(KEYS.lock) <= 30_000


def test_what_is_sent_again_after_a_lost_reply_counts_once(store: UpkeepStore) -> None:
    first = begin(store, "a")
    again = begin(store, "a")
    for _ in range(2):
        store.end(TASK, "a", began_ms=1)

    assert (first, again) == ("go", "go")
    assert store.record(TASK).runs == 1


def test_what_beat_sends_twice_is_done_once(store: UpkeepStore, redis: Redis) -> None:
    sent = now_ms(redis) + 5000  # after the first run has begun
    first = begin(store, "a", slot="7", sent_ms=sent)
    store.end(TASK, "a", began_ms=1)

    second = begin(store, "b", slot="7", sent_ms=sent)

    assert (first, second) == ("go", "done")


def test_a_message_that_comes_back_is_not_taken_for_another(
    store: UpkeepStore, redis: Redis
) -> None:
    sent = now_ms(redis)
    begin(store, "a", message="m", slot="7", sent_ms=sent)
    store.end(TASK, "a", began_ms=1, error="the store is away")

    assert begin(store, "b", message="m", slot="7", sent_ms=sent) == "go"


def test_what_has_waited_is_done_once(store: UpkeepStore, redis: Redis) -> None:
    sent = now_ms(redis) - 60_000

    done = []
    for slot in range(5):
        token = str(slot)
        done.append(begin(store, token, slot=token, sent_ms=sent + slot))
        store.end(TASK, token, began_ms=1)

    assert done == ["go", "late", "late", "late", "late"]


def test_a_clock_that_was_put_back_keeps_nothing_from_its_run(
    store: UpkeepStore, redis: Redis
) -> None:
    begin(store, "a")
    redis.hset(KEYS.record, "started", now_ms(redis) + 3_600_000)
    redis.delete(KEYS.lock)

    begun = begin(store, "b", slot="7", sent_ms=now_ms(redis))
    store.end(TASK, "b", began_ms=now_ms(redis) + 3_600_000)

    found = store.record(TASK)
    assert begun == "go"
    assert (found.runs, found.duration_ms, found.damaged) == (1, 0, False)


def test_failures_are_counted_and_told(store: UpkeepStore) -> None:
    for number, error in enumerate(("", "first", "second")):
        begin(store, str(number))
        store.end(TASK, str(number), began_ms=1, error=error)

    found = store.record(TASK)

    assert (found.runs, found.failures, found.failures_in_row) == (3, 2, 2)
    assert (found.recent, found.error) == (".xx", "second")
    assert found.failure_rate == pytest.approx(2 / 3)
    assert found.last_ok


def test_only_a_hundred_marks_are_kept(store: UpkeepStore) -> None:
    for number in range(120):
        begin(store, str(number))
        store.end(TASK, str(number), began_ms=1, error="" if number else "x")

    assert store.record(TASK).recent == "." * 100


def test_nothing_is_known_before_the_first_run(store: UpkeepStore) -> None:
    assert store.record(TASK) == NEVER


def test_a_worker_writes_its_runs_down(stack: Stack, redis: Redis) -> None:
    stack.manage("migrate")
    stack.worker()
    store = UpkeepStore(redis)

    sent = stack.app().send_task(TASK, queue="upkeep")

    assert sent.get(timeout=60) == {"parked": 0, "stored": 0, "expired": 0}
    found = store.record(TASK)
    assert (found.runs, found.failures, found.worker) == (1, 0, "worker@test")
    assert found.result == {"parked": 0, "stored": 0, "expired": 0}
    assert not found.running


def test_a_run_beside_another_one_does_nothing(stack: Stack, redis: Redis) -> None:
    stack.manage("migrate")
    stack.worker()
    begin(UpkeepStore(redis), "a")

    sent = stack.app().send_task(TASK, queue="upkeep")

    assert sent.get(timeout=60) == {"left_out": "busy"}


def test_a_store_that_failed_is_tried_again(
    stack: Stack, redis: Redis, eventually: Eventually
) -> None:
    # There are no tables yet.
    stack.worker()
    store = UpkeepStore(redis)
    sent = stack.app().send_task(TASK, queue="upkeep")
    eventually(lambda: store.record(TASK).failures == 1, within=20)

    stack.manage("migrate")

    assert sent.get(timeout=40)["stored"] == 0
    found = store.record(TASK)
    assert (found.failures_in_row, found.runs - found.failures) == (0, 1)
    assert "store" in found.error or not found.error
