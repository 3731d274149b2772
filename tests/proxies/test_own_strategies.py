"""A strategy of the user's own: tried at the start, and clear when it fails later."""

import pickle
from pathlib import Path

import pytest
from redis import Redis

from limpet.connection import store_error
from limpet.errors import ConfigurationError, ScriptFailed, StoreUnavailable
from proxies.store import check_strategies
from proxies.strategies import strategies
from tests.proxies.pools import Pools, record

GOOD = """-- The fewer requests at a time, the better.

return by_lot(4, function(proxy)
  return proxy.inflight -- and nothing else
end) -- the end"""


def test_ours_and_a_good_one_pass(redis: Redis, tmp_path: Path) -> None:
    for name, text in strategies().items():
        (tmp_path / f"my_{name}.lua").write_text(text)
    (tmp_path / "calm.lua").write_text(GOOD)

    check_strategies(redis, None)
    check_strategies(redis, tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("-- Mine.\n\nreturn by_turns(func() return 1 end)", r"bad\.lua:3: .*near"),
        ("\nreturn by_turn(function() return 1 end)", r"bad\.lua:2: .*by_turn"),
        (
            "return by_turns(\n  function(p) return p.wait * 2 end)",
            r"bad\.lua:2: .*wait",
        ),
        ("return by_turns(function() return 0 end)", r"bad\.lua: turns must be a numb"),
        ("return by_lot(0)", r"bad\.lua: draws must be a number from 1"),
        ("return by_lot(2, function() end)", r"bad\.lua: load must be .* not nil"),
        ("by_lot(1)", r"bad\.lua: it must end with return by_turns"),
        ("", r"bad\.lua: it must end with return by_turns"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_line(
    redis: Redis, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "bad.lua").write_text(text)

    with pytest.raises(ConfigurationError, match=f"^LIMPET_STRATEGIES_DIR: {says}"):
        check_strategies(redis, tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("return by_turns(function() return oops.x end)", "oops"),
        ("return by_turns(((", "unexpected symbol"),
    ],
)
def test_one_that_fails_at_work_is_no_trouble_of_the_store(
    pool_of: Pools, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "bad.lua").write_text(text)
    _, manager = pool_of([record(1)], own=tmp_path, strategy="bad")

    with pytest.raises(ScriptFailed, match=rf"LIMPET_STRATEGIES_DIR.*{says}") as caught:
        manager.acquire("s", hold=30)

    assert not isinstance(caught.value, StoreUnavailable)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_command_that_redis_refuses_a_script_is_trouble_of_the_store(
    redis: Redis,
) -> None:
    with pytest.raises(Exception, match="WRONGTYPE") as caught:
        redis.eval("redis.call('LPUSH', KEYS[1], 1) redis.call('GET', KEYS[1])", 1, "k")
    redis.delete("k")

    assert isinstance(store_error(caught.value), StoreUnavailable)
