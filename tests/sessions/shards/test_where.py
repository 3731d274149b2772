"""Where sessions and proxies of a pool of several shards lie."""

import inspect
from typing import TYPE_CHECKING

from redis import Redis

from limpet.keys import Keys
from limpet.shards import shard_of
from proxies import Outcome, ProxyRecord
from proxies.sharded import ShardedProxies
from proxies.store import ProxyStore
from sessions import SessionManager, open_pool
from sessions.sharded import ShardedStore
from sessions.store import SessionStore
from tests.sessions.shards.conftest import (
    HOT,
    NAMES,
    SETTINGS,
    SHARDS,
    many,
    use,
)

if TYPE_CHECKING:
    from tests.sessions.conftest import Server


def test_a_session_keeps_its_proxy_and_both_lie_in_the_shard_of_its_name(
    hot: SessionManager, client: Redis
) -> None:
    first, again = use(hot, *many(60)), use(hot, *many(60))

    assert first == again
    for name, proxy in first.items():
        keys = Keys(NAMES[shard_of(name, SHARDS)])
        assert client.hget(keys.session(name), "p") == proxy.encode()
        assert client.exists(keys.live_proxy(proxy)) == 1
    assert len({shard_of(name, SHARDS) for name in first}) == SHARDS


def test_shards_of_a_pool_lie_on_all_nodes_that_there_are(
    server: "Server", client: Redis
) -> None:
    use(open_pool(client, "hot", SETTINGS), *many(100))

    shares = []
    for node in server.nodes:
        found = list(node.scan_iter("{hot#*}:s:*", count=1000))
        shares.append(len(found))

    assert sum(shares) == 100
    assert min(shares) > 0


def test_jobs_without_a_session_are_spread(hot: SessionManager, client: Redis) -> None:
    leases = [hot.acquire(None, hold=30) for _ in range(100)]

    each = [client.zcard(Keys(name).leases) for name in NAMES]

    assert sum(each) == len(leases)
    assert min(each) > 0


def test_each_proxy_lies_in_one_shard_with_its_limit(client: Redis) -> None:
    held = [client.scan_iter(f"{Keys(name).live}*") for name in NAMES]

    found = [key.rpartition(b":")[2].decode() for keys in held for key in keys]

    assert sorted(found) == sorted(record.id for record in HOT)


def test_a_request_takes_one_trip(server: "Server", hot: SessionManager) -> None:
    use(hot, *many(20))  # scripts are loaded, indexes built, proxies known

    def asked() -> int:
        stats = [node.info("commandstats") for node in server.nodes]
        return sum(one.get("cmdstat_evalsha", {}).get("calls", 0) for one in stats)

    before = asked()
    lease = hot.acquire("s000", hold=30)
    taken = asked()
    hot.release(lease, Outcome.OK)

    assert (taken - before, asked() - taken) == (1, 1)


def test_nothing_asks_a_pool_of_several_shards_as_if_it_had_one() -> None:
    for whole, one in ((ShardedStore, SessionStore), (ShardedProxies, ProxyStore)):
        own = {
            name
            for name, _ in inspect.getmembers(one, inspect.isfunction)
            if not name.startswith("_")
        }
        # What is no business of any shard: the clock, a step of `publish`.
        assert own - vars(whole).keys() <= {"now_ms", "put"}


def test_a_pool_of_one_shard_has_the_keys_that_it_always_had(
    server: "Server", records: list[ProxyRecord]
) -> None:
    one = open_pool(server.client, "default", SETTINGS)

    use(one, "s")

    assert type(one._store) is SessionStore
    assert server.client.exists(Keys("default").session("s")) == 1
    assert server.client.exists(Keys("default").shards) == 0
