"""``sessions reshard``: a pool in another number of shards, with all that it had."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from redis import Redis

from cli.pool import Pool
from history.tables.events import all_events
from limpet.keys import Keys
from limpet.settings import Settings
from limpet.shards import shard_of
from proxies import Outcome, Proxy, ProxyRecord
from proxies.fields import ABOUT
from sessions import SessionManager

if TYPE_CHECKING:
    from tests.stack import Stack

RECORDS = [ProxyRecord(Proxy("http", f"10.9.1.{n}", 8080)) for n in range(40)]
NAMES = [f"s{n:02}" for n in range(50)]


def place_of(stack: "Stack", shards: str) -> Pool:
    return Pool(
        "hot",
        Settings(
            _env_file=None,
            redis_url=SecretStr(stack.redis_url),
            state_dir=stack.folder,
            pool_shards=shards,
        ),
    )


def filled(stack: "Stack", shards: str, records: list[ProxyRecord]) -> Pool:
    """Return the pool with proxies, and sessions of one request each."""
    place = place_of(stack, shards)
    place.add(records, fields=ABOUT, progress=lambda _done, _all: None)
    place.publish(records, progress=lambda _done, _all: None)
    for name in NAMES:
        lease = place.sessions.acquire(name, hold=30)
        place.sessions.release(lease, Outcome.OK, patch={"metadata": {"who": name}})
    return place


def carried(manager: SessionManager) -> dict[str, object]:
    found: dict[str, object] = {}
    for info in manager.all():
        state = manager.state(info.session)
        assert state is not None
        found[info.session] = (info.requests, info.created, state.metadata)
    return found


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [("", "hot=4", 4), ("hot=4", "hot=2", 2), ("hot=3", "", 1)],
)
def test_all_sessions_are_there_with_another_number_of_shards(
    stack: "Stack", redis: Redis, tmp_path: Path, before: str, after: str, count: int
) -> None:
    old = filled(stack, before, RECORDS)
    there = carried(old.sessions)
    file = tmp_path / "hot.jsonl"
    options = ("--pool", "hot", "--out", str(file), "--yes")
    refused = stack.manage("sessions", "ls", "--pool", "hot", LIMPET_POOL_SHARDS=after)

    done = stack.manage("sessions", "reshard", *options, LIMPET_POOL_SHARDS=after)

    assert refused.returncode == 1
    assert "sessions reshard --pool hot" in refused.stderr
    assert done.returncode == 0, done.stderr
    assert f"pool hot has {count} shard" in done.stdout
    assert "50 sessions brought there" in done.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    place = place_of(stack, after)
    assert carried(place.sessions) == there
    assert place.proxies.census(100).states == {"unknown": 40}
    for name in NAMES:
        lease = place.sessions.acquire(name, hold=30)
        assert not lease.created
        shard = "hot" if count == 1 else f"hot#{shard_of(name, count)}"
        assert redis.exists(Keys(shard).session(name)) == 1
    sessions = [key for key in redis.scan_iter() if b"}:s:" in key]
    assert len(sessions) == len(NAMES)
    told = {row.session for row in all_events(place.engine, "hot")}
    assert set(NAMES) <= told


def test_it_is_not_done_while_requests_are_under_way(
    stack: "Stack", tmp_path: Path
) -> None:
    filled(stack, "", RECORDS).sessions.acquire("s00", hold=60)
    options = ("--pool", "hot", "--out", str(tmp_path / "hot.jsonl"), "--yes")

    done = stack.manage("sessions", "reshard", *options, LIMPET_POOL_SHARDS="hot=4")

    assert done.returncode == 1
    assert "1 request of pool hot under way: stop all workers" in done.stderr
    assert place_of(stack, "").sessions.stats().sessions == len(NAMES)


def test_it_is_not_done_while_a_worker_is_there_that_has_nothing_to_do(
    stack: "Stack", tmp_path: Path
) -> None:
    filled(stack, "", RECORDS)
    options = ("--pool", "hot", "--out", str(tmp_path / "hot.jsonl"), "--yes")
    worker = stack.worker("idle")

    refused = stack.manage("sessions", "reshard", *options, LIMPET_POOL_SHARDS="hot=4")
    before = place_of(stack, "").sessions.stats().sessions
    worker.terminate()
    worker.wait(40)
    done = stack.manage("sessions", "reshard", *options, LIMPET_POOL_SHARDS="hot=4")

    assert refused.returncode == 1
    assert "1 worker at work, stop all first: idle@test" in refused.stderr
    assert before == len(NAMES)
    assert done.returncode == 0, done.stderr


def test_it_is_done_while_a_worker_of_another_program_is_on_the_broker(
    stack: "Stack", tmp_path: Path, eventually: Callable[..., None]
) -> None:
    filled(stack, "", RECORDS)
    options = ("--pool", "hot", "--out", str(tmp_path / "hot.jsonl"), "--yes")
    celery = ("-m", "celery", "-A", "tests.chaos.neighbour", "worker", "-P", "threads")
    stack.python(*celery, log="stranger", WITNESS_URL=stack.redis_url)
    eventually(lambda: bool(stack.app().control.ping(timeout=0.5)), within=60)

    done = stack.manage("sessions", "reshard", *options, LIMPET_POOL_SHARDS="hot=4")

    assert done.returncode == 0, done.stderr


def test_it_is_not_done_where_a_shard_would_have_no_proxy(
    stack: "Stack", tmp_path: Path
) -> None:
    filled(stack, "", RECORDS[:3])
    options = ("--pool", "hot", "--out", str(tmp_path / "hot.jsonl"), "--yes")

    done = stack.manage("sessions", "reshard", *options, LIMPET_POOL_SHARDS="hot=8")

    assert done.returncode == 1
    assert "of 8 shards would have none of the 3 proxies of pool hot" in done.stderr
    assert place_of(stack, "").sessions.stats().sessions == len(NAMES)


def test_it_goes_on_where_it_was_left(
    stack: "Stack", redis: Redis, tmp_path: Path
) -> None:
    there = carried(filled(stack, "", RECORDS).sessions)
    file = tmp_path / "hot.jsonl"
    options = ("--pool", "hot", "--out", str(file), "--yes")
    assert stack.manage("sessions", "export", *options).returncode == 0
    redis.set(Keys("hot").shards, "moving")
    redis.delete(Keys("hot").session("s00"), Keys("hot").expiry)

    done = stack.manage("sessions", "reshard", *options, LIMPET_POOL_SHARDS="hot=4")
    # Killed after the move, and before all were back.
    place_of(stack, "hot=4").sessions.close("s07")
    again = stack.manage("sessions", "reshard", *options, LIMPET_POOL_SHARDS="hot=4")
    lost = stack.manage(
        *("sessions", "reshard", "--pool", "hot", "--out", str(tmp_path / "none")),
        LIMPET_POOL_SHARDS="hot=4",
    )

    assert (done.returncode, again.returncode) == (0, 0), done.stderr + again.stderr
    assert carried(place_of(stack, "hot=4").sessions) == there
    assert "pool hot has 4 shards already" in lost.stdout


def test_proxies_that_leave_a_shard_empty_are_told_of_when_they_are_imported(
    stack: "Stack",
) -> None:
    few = "\n".join(f"10.9.1.{n}:8080" for n in range(3))
    many = "\n".join(f"10.9.1.{n}:8080" for n in range(80))
    options = ("proxies", "import", "-", "--pool", "hot")

    first = stack.manage(*options, stdin=few, LIMPET_POOL_SHARDS="hot=4,other=2")
    then = stack.manage(*options, stdin=many, LIMPET_POOL_SHARDS="hot=4,other=2")

    assert first.returncode == 1
    assert "pool hot has 4 shards and 3 proxies that may be used" in first.stderr
    assert then.returncode == 0, then.stderr
    assert "77 new" in then.stdout
