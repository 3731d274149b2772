"""Which pools have several shards, as a setting says."""

from collections.abc import Iterator

import pytest

from limpet.errors import ConfigurationError
from limpet.settings import settings
from limpet.shards import next_cursor, shard_of, split_cursor


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LIMPET_ENV_FILE", "/dev/null")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hot", "'hot' is no POOL=NUMBER"),
        ("hot=4;other=2", "'hot=4;other=2' is no POOL=NUMBER"),
        ("Hot=4", "'Hot=4' is no POOL=NUMBER"),
        ("hot=4,", "'' is no POOL=NUMBER"),
        ("hot=4,hot=2", "names the pool hot twice"),
        ("hot=0", "gives the pool hot 0 shards: from 1 to 64"),
        ("hot=65", "gives the pool hot 65 shards: from 1 to 64"),
    ],
)
def test_shards_that_cannot_be_are_told(
    monkeypatch: pytest.MonkeyPatch, text: str, says: str
) -> None:
    monkeypatch.setenv("LIMPET_POOL_SHARDS", text)

    with pytest.raises(ConfigurationError, match=r"^LIMPET_POOL_SHARDS: ") as caught:
        settings()

    assert says in str(caught.value)


def test_shards_are_read_by_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMPET_POOL_SHARDS", "hot=4,other=2")

    shards = settings().shards

    assert [shards.count(pool) for pool in ("hot", "other", "default")] == [4, 2, 1]
    assert shards.of("other") == ["other#0", "other#1"]
    assert shards.of("default") == ["default"]


def test_the_hash_is_the_documented_one() -> None:
    assert [shard_of(name, 4) for name in ("user-42", "user-43", "é")] == [3, 1, 2]


def test_a_walk_goes_through_one_shard_after_the_other() -> None:
    # Where each shard's own walk goes on, 0 at its end.
    steps = {0: {0: 7, 7: 2**40, 2**40: 0}, 1: {0: 0}, 2: {0: 5, 5: 0}}
    cursor, seen = 0, []
    while True:
        shard, inner = split_cursor(cursor, 3)
        seen.append((shard, inner))
        cursor = next_cursor(shard, steps[shard][inner], 3)
        if not cursor:
            break

    assert seen == [(0, 0), (0, 7), (0, 2**40), (1, 0), (2, 0), (2, 5)]
