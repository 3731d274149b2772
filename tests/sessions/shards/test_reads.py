"""A pool of several shards is read as one."""

import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from limpet.keys import Keys
from limpet.shards import shard_of
from proxies import ProxyPool
from sessions import SessionManager, open_pool
from sessions.store import pool_names
from tests.sessions.shards.conftest import (
    HOT,
    NAMES,
    SETTINGS,
    SHARDS,
    many,
    use,
)

if TYPE_CHECKING:
    pass


def test_figures_are_those_of_all_shards(
    hot: SessionManager, proxies: ProxyPool
) -> None:
    use(hot, *many(60), elapsed=0.08)
    held = [hot.acquire(name, hold=30) for name in many(7)]

    stats, census = hot.stats(), proxies.census(100)

    assert stats.pool == "hot"
    assert (stats.sessions, stats.leases, stats.proxies_up) == (60, len(held), len(HOT))
    assert stats.counters["created"] == 60
    assert stats.counters["acquired"] == 67
    assert stats.times == {100: 60}
    assert sum(census.states.values()) == len(HOT)
    assert sum(census.loads) == 60


def test_every_session_is_listed_once(hot: SessionManager) -> None:
    use(hot, *many(700))
    cursor, seen = 0, Counter[str]()
    while True:
        cursor, infos = hot.list(cursor, count=50)
        seen.update(info.session for info in infos)
        assert {info.pool for info in infos} <= {"hot"}
        if not cursor:
            break

    assert sorted(seen) == many(700)
    assert sorted(info.session for info in hot.all()) == many(700)


@pytest.mark.parametrize("last_first", [False, True])
def test_pages_are_in_the_order_of_all_shards(
    hot: SessionManager, client: Redis, *, last_first: bool
) -> None:
    names = many(90)
    use(hot, *names)
    for rank, name in enumerate(names):
        # Some expire at the same time.
        at = round(time.time() * 1000) + 60_000 + rank // 3 * 7
        client.zadd(Keys(NAMES[shard_of(name, SHARDS)]).expiry, {name: at})

    pages = [hot.page(start, 17, last_first=last_first) for start in range(0, 120, 17)]

    assert {page.sessions for page in pages} == {90}
    assert {(page.waiting, page.leases) for page in pages} == {(0, 0)}
    found = [info.session for page in pages for info in page.infos]
    assert found == sorted(names, reverse=last_first)


def test_sessions_are_found_by_how_they_begin(hot: SessionManager) -> None:
    use(hot, *many(300))

    found, some = hot.find("s01", 50), hot.find("s", 20)

    assert [info.session for info in found.infos] == [f"s01{n}" for n in range(10)]
    assert found.complete
    assert len(some.infos) == 20
    assert not some.complete


def test_the_sessions_of_a_proxy_are_found(hot: SessionManager) -> None:
    homes = use(hot, *many(200))
    proxy = homes["s000"]

    infos, complete = hot.of_proxy(proxy, 100, looks=10_000)

    assert complete
    assert {info.session for info in infos} == {
        n for n, p in homes.items() if p == proxy
    }


def test_events_of_all_shards_are_told_the_newest_first(hot: SessionManager) -> None:
    use(hot, *many(30))

    found = hot._store.audit(20)

    assert len(found) == 20
    moments = [tuple(map(int, key.split("-"))) for key, _ in found]
    assert moments == sorted(moments, reverse=True)
    assert len({shard_of(event["session"], SHARDS) for _, event in found}) > 1


def test_the_pool_is_known_by_its_name_alone(client: Redis) -> None:
    open_pool(client, "hot", SETTINGS)

    assert pool_names(client) == ["default", "hot"]
    assert client.smembers("limpet:pools") == {b"default", b"hot"}
