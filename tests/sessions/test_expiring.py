"""A batch of the clean-up, and counts that are none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limpet.errors import StoreUnavailable
from limpet.keys import Keys
from proxies import ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import SessionManager
from sessions.expiring import expire
from sessions.store import SessionStore
from tests.sessions.conftest import Server

KEYS = Keys("default")
PAST = 1_000


def test_no_script_of_a_batch_takes_long(manager: SessionManager, redis: Any) -> None:
    for number in range(60):
        manager.release(manager.acquire(f"s{number}", hold=30))
        redis.hset(KEYS.session(f"s{number}"), "x", PAST)
    manager.expire(40)  # so that Redis has the script
    redis.zadd(KEYS.expiry, {f"s{number}": PAST for number in range(60)})
    redis.config_resetstat()

    steps = [manager.expire(40) for _ in range(2)]

    assert [(one.sessions, one.more) for one in steps] == [(40, True), (20, False)]
    # Of at most 25 each: 25, 15, 20.
    assert redis.info("commandstats")["cmdstat_evalsha"]["calls"] == 3


class _Unplugged(SessionStore):
    """A store whose server ends before the second step."""

    server: Server
    steps = 0

    def expire(self, batch: int) -> list[Any]:
        self.steps += 1
        if self.steps == 2:
            self.server.stop()
        return super().expire(batch)


def test_what_was_done_before_redis_went_is_told(
    records: list[ProxyRecord], free_port: Callable[[], int], tmp_path: Path
) -> None:
    with Server("embedded", free_port, tmp_path) as server:
        client: Any = server.client
        ProxyPool(ProxyStore(client, "default")).publish(records)
        manager = server.manager()
        for number in range(60):
            manager.release(manager.acquire(f"s{number}", hold=30))
            client.hset(KEYS.session(f"s{number}"), "x", PAST)
        client.zadd(KEYS.expiry, {f"s{number}": PAST for number in range(60)})
        store = _Unplugged(client, "default")
        store.server = server

        done = expire(store, 50)

        assert (done.sessions, done.more) == (25, True)
        with pytest.raises(StoreUnavailable):
            expire(store, 50)


@pytest.mark.parametrize("count", ["nan", "1e400", "7.5", "9" * 20, ""])
def test_a_count_that_is_none_stays_as_it_is(
    manager: SessionManager, redis: Any, count: str
) -> None:
    proxy = manager.acquire("s", hold=30).proxy.id
    redis.delete(KEYS.leases)
    redis.hset(KEYS.session("s"), mapping={"x": PAST, "d": 0})
    redis.zadd(KEYS.expiry, {"s": PAST})
    redis.hset(KEYS.loads, proxy, count)

    assert manager.expire(50).sessions == 1

    assert redis.hget(KEYS.loads, proxy) == count.encode()


def test_a_lease_ends_though_the_counts_of_sessions_cannot_be_read(
    manager: SessionManager, pool: ProxyPool, redis: Any
) -> None:
    lease = manager.acquire("s", hold=30)
    pool.set_mode(lease.proxy.id, "removed")
    redis.delete(KEYS.loads)
    redis.set(KEYS.loads, "no hash")

    manager.release(lease)

    assert not redis.exists(KEYS.leases)
    assert redis.hget(KEYS.live_proxy(lease.proxy.id), "inflight") == b"0"


def test_a_proxy_without_a_state_is_damaged_and_not_gone(
    pool: ProxyPool, redis: Any, records: list[ProxyRecord]
) -> None:
    redis.hdel(KEYS.live_proxy(records[0].id), "state")
    redis.delete(KEYS.live_proxy(records[1].id))

    census = pool.census(100)

    assert census.damaged == 1
    assert sum(census.states.values()) == len(records) - 1
