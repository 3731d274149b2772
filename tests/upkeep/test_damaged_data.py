"""What another program has written to the session Redis stops no upkeep."""

import random
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
from celery import Celery
from pydantic import SecretStr
from redis import Redis
from sqlalchemy import Engine, text

from health import Status
from health.store import HealthStore
from health.survey import Survey
from limpet import database, schema
from limpet.errors import SessionStoreError
from limpet.keys import ALERTS, BEAT, BEAT_SENT, NO_POOL, POOLS, SYSTEM, Keys, TaskKeys
from limpet.settings import Settings
from limpet.upkeep import UpkeepStore
from proxies import Outcome, Proxy, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import SessionManager
from sessions.store import SessionStore
from tasks import runtime
from tasks.upkeep import (
    audit,
    base,
    checkpoints,
    cleanup,
    evacuation,
    history,
    probes,
    snapshots,
)

MODULES: Final = (audit, base, checkpoints, cleanup, evacuation, history, probes)
#: All that looks at pools, but for the clean-up itself, which is the engine's.
TASKS: Final = (
    snapshots.snapshot_metrics,
    audit.drain_audit,
    checkpoints.checkpoint_sessions,
    history.roll_up_history,
    evacuation.sweep_evacuated,
    cleanup.limit_memory,
    probes.probe_proxies,
)
BAD: Final = Keys("bad")
#: Nobody listens there, and that is soon known.
RECORDS: Final = [
    ProxyRecord(Proxy("http", f"127.0.0.{n}", 9, "u", "pw")) for n in range(1, 6)
]
RECORD: Final = TaskKeys("snapshot_metrics").record
PROXY: Final = RECORDS[0].id

#: Keys, and what each kind of them may be damaged by.
HASHES: Final = (
    *(BAD.counters, BAD.times, BAD.lifetimes, BAD.session("s0"), BAD.session("s3")),
    *(BAD.live_proxy(PROXY), BAD.proxy(PROXY), BAD.loads, BAD.registry),
    *(RECORD, BEAT, BEAT_SENT),
)
STREAMS: Final = (BAD.audit, BAD.snapshots, SYSTEM, Keys(NO_POOL).audit)
SORTED: Final = (BAD.expiry, BAD.leases, BAD.warm, BAD.usable, BAD.cooling)
VALUES: Final = {
    "a word": b"abc",
    "no text": b"\xff\xfe",
    "an endless number": b"1e400",
    "40 digits": b"9" * 40,
    "nothing": b"",
    "below zero": b"-1",
}
ENTRIES: Final[tuple[dict[str, bytes], ...]] = (
    {"what": b"x"},
    *({"json": one} for one in (b"", b"{", b"[]", b"null", b'{"pool": "x"}', b"\xff")),
    {"event": b"\xff\0", "session": b"a\0b", "proxy": b"p" * 99},
    {
        "event": b"closed",
        "reason": b"r" * 99,
        "ended": b'[["\\ud800",1,2,3,4,5,6,7,"x\\u0000"],7,null,["x"]]',
    },
    {"event": b"closed", "ended": b"[" * 50_000},
)
Damage = Callable[[Redis], None]


def _another_type(redis: Any, key: str) -> None:
    redis.delete(key)
    redis.rpush(key, "x")


def _fields(redis: Any, key: str, value: bytes) -> None:
    for field in (*redis.hkeys(key), b"\xff"):
        redis.hset(key, field, value)


def _entries(redis: Any, key: str) -> None:
    for one in ENTRIES:
        redis.xadd(key, one)


def _members(redis: Any, key: str) -> None:
    redis.zadd(key, {b"\xff\xfe": 5, "": 6, "no such": 7, "a\0b": 9e12})


def _each(keys: Sequence[str], do: Callable[..., None], *said: Any) -> Damage:
    def damage(redis: Redis) -> None:
        for key in keys:
            do(redis, key, *said)

    return damage


def _mixture(seed: int) -> Damage:
    """Damage half of all keys, each in some way that it can be."""

    def damage(redis: Redis) -> None:
        chance = random.Random(seed)
        for key in (*HASHES, *STREAMS, *SORTED):
            ways: list[tuple[Any, ...]] = [(_another_type,)]
            ways += [(_fields, one) for one in VALUES.values()] * (key in HASHES)
            ways += [(_entries,)] * (key in STREAMS) + [(_members,)] * (key in SORTED)
            do, *said = chance.choice(ways)
            if chance.random() < 1 / 2:
                do(redis, key, *said)

    return damage


CASES: Final[dict[str, Damage]] = {
    "hashes are lists": _each((*HASHES, ALERTS), _another_type),
    "streams are lists": _each(STREAMS, _another_type),
    "sorted sets are lists": _each(SORTED, _another_type),
    "the state is a list": _each((BAD.state("s0"),), _another_type),
    "streams have entries of others": _each(STREAMS, _entries),
    "sorted sets have members of others": _each(SORTED, _members),
    "a pool cannot be called so": lambda redis: _none(
        redis.sadd(POOLS, b"\xff", "A B", "")
    ),
    **{f"fields have {name}": _each(HASHES, _fields, VALUES[name]) for name in VALUES},
    **{f"mixture {seed}": _mixture(seed) for seed in range(5)},
}


def _none(_: object) -> None:
    pass


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of this version, to be copied."""
    folder = tmp_path_factory.mktemp("tables")
    schema.upgrade(Settings(state_dir=folder))
    database.engine(Settings(state_dir=folder).sql_url).dispose()
    return folder / "limpet.db"


@pytest.fixture
def config(
    redis: Redis,
    redis_port: int,
    tmp_path: Path,
    tables: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    made = Settings(
        redis_url=SecretStr(f"redis://127.0.0.1:{redis_port}/1"),
        CELERY_BROKER_URL=SecretStr(f"redis://127.0.0.1:{redis_port}/0"),
        state_dir=tmp_path,
        SESSION_MAX_MEMORY_MB=0.000_001,
        allow_private_hosts="127.0.0.0/8",
        probe_url=SecretStr("http://127.0.0.1:9/"),
        probe_timeout_seconds=0.2,
        probe_batch_size=1,
    )
    shutil.copy(tables, tmp_path)
    for module in (*MODULES, snapshots, runtime):
        monkeypatch.setattr(module, "settings", lambda: made)
    runtime.manager.cache_clear()
    return made


@pytest.fixture
def engine(config: Settings) -> Engine:
    return database.engine(config.sql_url)


@pytest.fixture
def full(config: Settings, redis: Redis) -> None:
    """Two pools with sessions, of which two are over; all upkeep has run once."""
    for name in ("bad", "good"):
        proxies = ProxyPool(ProxyStore(redis, name))
        proxies.publish(RECORDS)
        _use(SessionManager(name, SessionStore(redis, name), proxies), redis)
    for task in TASKS:
        task()
    for name in ("bad", "good"):
        proxies = ProxyPool(ProxyStore(redis, name))
        _use(SessionManager(name, SessionStore(redis, name), proxies), redis)
    UpkeepStore(redis).lead("token", "host:1")
    UpkeepStore(redis).note_sent("token", "snapshot metrics", 1)


def _use(manager: SessionManager, redis: Redis) -> None:
    for n in range(6):
        lease = manager.acquire(f"s{n}", hold=30)
        manager.release(lease, Outcome.OK, elapsed=0.1, patch={"user_agent": "x"})
    manager.close("s5")
    keys = Keys(manager.pool)
    redis.hset(keys.session("s3"), "x", 1)
    redis.zadd(keys.expiry, {"s3": 1})


def _count(engine: Engine, query: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(query)).scalar() or 0)


def _survey(config: Settings) -> dict[str, Status]:
    app = Celery(broker=config.celery_broker)
    report = Survey(config, app, workers=lambda: 1).see().report
    return {one.name: one.status for one in report.checks}


@pytest.mark.parametrize("case", CASES)
def test_no_other_pool_is_kept_waiting_and_the_server_is_not_down(
    config: Settings, redis: Redis, engine: Engine, full: None, case: str
) -> None:
    drained = "SELECT count(*) FROM audit_events WHERE pool = 'good'"
    taken = "SELECT count(*) FROM pool_snapshots WHERE pool = 'good'"
    before = _count(engine, drained), _count(engine, taken)
    CASES[case](redis)

    for task in TASKS:
        assert "left_out" not in task()

    assert _survey(config)["redis"] is Status.HEALTHY
    assert _count(engine, drained) > before[0]
    assert _count(engine, taken) == before[1] + 1
    # A beat has to be able to go on, too.
    assert UpkeepStore(redis).lead("token", "host:1")[0]
    redis.flushall()


@pytest.mark.parametrize(
    ("case", "named"),
    [
        ("hashes are lists", "bad: n"),
        ("fields have a word", "bad: n created"),
        ("streams are lists", "bad: ev"),
        ("sorted sets are lists", "bad: x"),
    ],
)
def test_what_is_damaged_is_named_and_left_out(
    config: Settings, redis: Redis, full: None, case: str, named: str
) -> None:
    assert _survey(config)["data"] is Status.HEALTHY
    CASES[case](redis)

    report = snapshots.snapshot_metrics()

    look = HealthStore(redis).look()
    assert named in look.damaged
    assert f"{report['damaged']} found by snapshot_metrics" in look.damaged
    assert "found by" not in look.damaged[0]
    if case in {"hashes are lists", "fields have a word"}:
        assert report["taken"] == 2
    assert _survey(config)["data"] is Status.DEGRADED
    redis.flushall()


def test_a_pool_that_cannot_be_cleaned_up_keeps_no_other_from_it(
    config: Settings, redis: Redis, full: None
) -> None:
    good = SessionManager(
        "good", SessionStore(redis, "good"), ProxyPool(ProxyStore(redis, "good"))
    )
    assert good.stats().expired_waiting == 1
    _another_type(redis, BAD.expiry)

    with suppress(SessionStoreError):
        cleanup.cleanup_expired_sessions()

    assert good.stats().expired_waiting == 0
    redis.flushall()
