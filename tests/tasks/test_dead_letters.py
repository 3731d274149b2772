"""Whatever ends without success is kept, once, and told as one clear error."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis
from sqlalchemy import text

from limpet import schema
from limpet.dead import DeadLetters, Letter, Reason, dead_counts, tables
from limpet.dead.store import MOST
from limpet.errors import StoreUnavailable
from limpet.keys import DEAD
from limpet.sealing import Sealer
from limpet.settings import Settings


@pytest.fixture
def config(redis: Redis, redis_port: int, tmp_path: Path) -> Settings:
    url = SecretStr(f"redis://127.0.0.1:{redis_port}/1")
    return Settings(redis_url=url, state_dir=tmp_path / "state")


def _letter(name: str = "a", **fields: Any) -> Letter:
    given_ = {"reason": Reason.FAILED, "error": "e", "task": "scrape", "queue": "q"}
    return Letter.seal(Sealer(), {"args": [], "kwargs": {}}, id=name, **given_ | fields)


def test_letters_wait_in_redis_until_sql_is_there(config: Settings) -> None:
    config.make_state_dir()
    letters = DeadLetters(config)
    letters.bury(_letter())
    letters.bury(_letter(error="later"))
    with pytest.raises(StoreUnavailable):
        letters.move()

    schema.upgrade(config)
    moved = letters.move()

    assert (moved, letters.move()) == (1, 0)
    [kept] = tables.load(letters.engine)
    assert (kept.id, kept.error) == ("a", "later")
    assert dead_counts(config) == {"failed": 1}


def test_a_letter_that_dies_again_is_one_letter(config: Settings) -> None:
    schema.upgrade(config)
    letters = DeadLetters(config)
    for error in ("first", "second"):
        letters.bury(_letter(error=error))
        letters.move()

    [kept] = tables.load(letters.engine)
    assert kept.error == "second"
    assert dead_counts(config) == {"failed": 2}


def test_what_comes_from_outside_is_bounded(config: Settings) -> None:
    schema.upgrade(config)
    letters = DeadLetters(config)
    long = "x" * 3_000_000
    letters.bury(_letter("i" * 300, error=f"\0\ud800{long}", task=long))
    huge = {"args": [long], "kwargs": {}}
    names = {"id": "huge", "task": "t", "queue": "q"}
    letters.bury(Letter.seal(Sealer(), huge, reason=Reason.INVALID, error="e", **names))

    letters.move()

    kept = {one.id[:4]: one for one in tables.load(letters.engine)}
    assert len(kept["iiii"].id) == len(kept["iiii"].task) == 255
    assert len(kept["iiii"].error) == 2000
    assert kept["huge"].contents(Sealer()) == {}


def test_letters_that_nobody_moves_do_not_fill_redis(
    config: Settings, redis: Redis
) -> None:
    schema.upgrade(config)
    letters = DeadLetters(config)
    redis.hset(
        DEAD, mapping={f"old-{n}": _letter(f"old-{n}").dump() for n in range(MOST)}
    )

    letters.bury(_letter("new"))

    assert int(redis.hlen(DEAD)) <= MOST
    kept = tables.load(letters.engine, limit=MOST)
    waiting = {bytes(name).decode() for name in redis.hkeys(DEAD)}  # type: ignore[arg-type] # bytes
    assert len(waiting | {one.id for one in kept}) == MOST + 1


def test_letters_that_wait_are_not_lost_when_sql_is_away_and_redis_has_enough(
    config: Settings, redis: Redis
) -> None:
    config.make_state_dir()
    letters = DeadLetters(config)
    redis.hset(
        DEAD, mapping={f"old-{n}": _letter(f"old-{n}").dump() for n in range(MOST)}
    )

    with pytest.raises(StoreUnavailable):
        letters.bury(_letter("new"))
    letters.bury(_letter("old-7", error="later"))

    assert int(redis.hlen(DEAD)) == MOST


def test_old_letters_are_forgotten(config: Settings) -> None:
    schema.upgrade(config)
    letters = DeadLetters(config)
    letters.bury(_letter("old"))
    letters.bury(_letter("new"))
    letters.move()
    with letters.engine.begin() as connection:
        old = "UPDATE dead_letters SET at = '2020-01-01 00:00:00.0' WHERE id = 'old'"
        connection.execute(text(old))

    assert letters.expire() == 1
    assert [one.id for one in tables.load(letters.engine)] == ["new"]
