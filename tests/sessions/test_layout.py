"""A pool that lies in another number of shards than by the settings is not opened."""

import pytest
from redis import Redis

from limpet.errors import ConfigurationError
from limpet.keys import Keys
from limpet.settings import Settings
from limpet.shards import shard_names
from proxies import ProxyPool, ProxyRecord
from sessions import open_pool, open_proxies, require_layouts
from sessions.layout import Layout


def sharded(text: str) -> Settings:
    return Settings(_env_file=None, pool_shards=text)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("hot=2", "hot=4", "hot is to have 4 shards, and Redis has it in 2 of them"),
        ("hot=2", "", "hot is to have 1 shard, and Redis has it in 2 of them"),
        ("", "hot=4", "hot is to have 4 shards, and Redis has it in 1 of them"),
    ],
)
def test_a_pool_is_not_opened_with_another_number_of_shards(
    redis: Redis, records: list[ProxyRecord], before: str, after: str, says: str
) -> None:
    open_proxies(redis, "hot", sharded(before)).publish(records)
    open_pool(redis, "hot", sharded(before)).close("x")

    for opening in (
        lambda: open_pool(redis, "hot", sharded(after)),
        lambda: open_proxies(redis, "hot", sharded(after)),
        lambda: require_layouts(redis, sharded(after)),
    ):
        with pytest.raises(ConfigurationError, match=f"{says}.* reshard --pool hot"):
            opening()

    require_layouts(redis, sharded(before))


def test_a_pool_that_is_not_there_yet_may_have_any_number(redis: Redis) -> None:
    require_layouts(redis, sharded("hot=4,warm=1"))

    assert Layout(redis, "hot").count() == 4
    assert Layout(redis, "warm").count() == 1
    assert Layout(redis, "other").count() == 1


def test_one_shard_is_as_none_at_all(redis: Redis, pool: ProxyPool) -> None:
    require_layouts(redis, sharded("default=1"))
    open_pool(redis, "default", sharded("default=1")).acquire("s", hold=30)

    assert redis.exists(Keys("default").session("s")) == 1


def test_a_pool_that_is_being_moved_is_not_opened(redis: Redis) -> None:
    redis.set(Keys("hot").shards, "moving")

    with pytest.raises(ConfigurationError, match="Redis has it being moved"):
        open_pool(redis, "hot", sharded("hot=4"))

    assert Layout(redis, "hot").count() is None


def test_a_move_forgets_what_shards_hold_and_keeps_what_jobs_have_noted(
    redis: Redis, records: list[ProxyRecord]
) -> None:
    for name in ("hot", "hotter", "hot-2"):
        open_proxies(redis, name, sharded("hot=8")).publish(records)
    kept = [f"{{hot}}:{key}" for key in ("m", "k:1", "wh:1", "wr:1", "pg:1")]
    for key in kept:
        redis.set(key, "x", ex=60)
    redis.set("{hot#63}:x", "x", ex=60)
    others = [key for key in redis.scan_iter() if not key.startswith(b"{hot}")]
    others = [key for key in others if not key.startswith(b"{hot#")]

    layout = Layout(redis, "hot")
    layout.clear()
    between = layout.count()
    layout.settle(2)

    assert between is None
    left = {key.decode() for key in redis.scan_iter()}
    assert left == {*kept, "{hot}:sn", *(key.decode() for key in others)}
    assert Layout(redis, "hot").count() == 2
    redis.delete("{hot}:m")


def test_shards_are_named_after_their_pool() -> None:
    assert shard_names("hot", 1) == ["hot"]
    assert shard_names("hot", 3) == ["hot#0", "hot#1", "hot#2"]
