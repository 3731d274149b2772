"""Records that a program which is not ours has damaged keep no other from its copy."""

from collections.abc import Callable

import pytest
from redis import Redis
from sqlalchemy import Engine

from history.checkpoint import Checkpoints
from history.names import Names
from history.store import HistoryStore
from limpet.keys import Keys
from limpet.sealing import Sealer
from sessions import SessionManager
from tests.history.conftest import Rows, use

KEYS = Keys("default")
COOKIES = [{"name": "sid", "value": "1", "domain": "shop.test", "path": "/"}]
Managers = Callable[..., SessionManager]
#: What a program that is not ours may make of a session's record.
DAMAGE: dict[str, Callable[[Redis], object]] = {
    "no text": lambda redis: redis.hset(KEYS.session("bad"), "w", b"\xff\xfe"),
    "a proxy that is no text": lambda redis: redis.hset(
        KEYS.session("bad"), "p", b"\xff"
    ),
    "no proxy": lambda redis: redis.hdel(KEYS.session("bad"), "p"),
    "no time": lambda redis: redis.hset(KEYS.session("bad"), "x", "abc"),
    "an endless time": lambda redis: redis.hset(KEYS.session("bad"), "x", "1e400"),
    "a version of 40 digits": lambda redis: redis.hset(
        KEYS.session("bad"), "v", "9" * 40
    ),
    "a list": lambda redis: (
        redis.delete(KEYS.session("bad")),
        redis.rpush(KEYS.session("bad"), "x"),
    ),
    "a state that is a list": lambda redis: (
        redis.delete(KEYS.state("bad")),
        redis.rpush(KEYS.state("bad"), "x"),
        redis.expire(KEYS.state("bad"), 60),
    ),
    "a name that is no text": lambda redis: redis.zadd(KEYS.expiry, {b"\xff": 9e12}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_keeps_no_other_from_its_copy(
    manager_of: Managers,
    redis: Redis,
    store: HistoryStore,
    engine: Engine,
    rows: Rows,
    damage: str,
) -> None:
    manager = manager_of()
    for name in ("a", "bad", "z"):
        use(manager, name, patch={"cookies": COOKIES})
    DAMAGE[damage](redis)

    checkpoints = Checkpoints(store, engine, Names(), Sealer())
    while checkpoints.step("default").more:
        pass

    copied = {row["session"] for row in rows("SELECT session FROM session_checkpoints")}
    assert {"a", "z"} <= copied
    if damage not in {"no text", "a proxy that is no text", "a name that is no text"}:
        assert "bad" not in copied
