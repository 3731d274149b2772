"""What something else has written into a pool's keys does as little harm as can be."""

from collections.abc import Callable

import pytest
from redis import Redis

from limpet.errors import LimpetError, StoreDamaged
from limpet.keys import Keys
from proxies import HealthPolicy, Outcome, ProxyPool, ProxyRecord
from sessions import SessionManager

Managers = Callable[..., SessionManager]
KEYS = Keys("default")


def _loads(redis: Redis, records: list[ProxyRecord]) -> dict[str, int]:
    found = {one.id: int(redis.hget(KEYS.loads, one.id) or 0) for one in records}
    return {proxy: count for proxy, count in found.items() if count}


def test_a_session_moves_without_a_stream_to_tell_it(
    manager: SessionManager, pool: ProxyPool, redis: Redis, records: list[ProxyRecord]
) -> None:
    first = manager.acquire("s", hold=30)
    manager.release(first)
    redis.delete(KEYS.audit)
    redis.set(KEYS.audit, "no stream")
    pool.set_mode(first.proxy.id, "disabled")

    second = manager.acquire("s", hold=30)

    assert second.moved
    assert _loads(redis, records) == {second.proxy.id: 1}


def test_a_lease_ends_whole_without_a_stream_to_tell_it(
    manager_of: Managers, redis: Redis
) -> None:
    manager = manager_of(health=HealthPolicy(max_failures=1, cooldown=60))
    lease = manager.acquire("s", hold=30)
    redis.delete(KEYS.audit)
    redis.set(KEYS.audit, "no stream")

    manager.release(lease, Outcome.FAULT)

    state = redis.hmget(KEYS.live_proxy(lease.proxy.id), "inflight", "state")
    assert state == [b"0", b"unhealthy"]
    assert manager.stats().leases == 0


def test_a_session_stays_whole_if_it_cannot_be_counted_elsewhere(
    manager: SessionManager, pool: ProxyPool, redis: Redis, records: list[ProxyRecord]
) -> None:
    lease = manager.acquire("s", hold=30)
    manager.release(lease)
    for one in records:
        if one.id != lease.proxy.id:
            redis.hset(KEYS.loads, one.id, "none")
    pool.set_mode(lease.proxy.id, "disabled")

    with pytest.raises(StoreDamaged):
        manager.acquire("s", hold=30)

    found = manager.get("s")
    assert found is not None
    assert (found.proxy, found.generation) == (lease.proxy.id, 1)
    assert redis.hget(KEYS.loads, lease.proxy.id) == b"1"


def test_a_lease_that_nobody_gets_is_given_back(
    manager: SessionManager, redis: Redis
) -> None:
    lease = manager.acquire("a", hold=30)
    redis.hset(KEYS.live_proxy(lease.proxy.id), "success", "abc")

    with pytest.raises(LimpetError):
        manager.release_and_acquire(lease, Outcome.OK, "b", hold=30)

    assert manager.acquire("b", hold=30).session == "b"


def test_what_is_no_session_is_neither_moved_nor_written_for_ever(
    manager: SessionManager, redis: Redis
) -> None:
    names = ["moved", "written"]
    for name in names:
        manager.release(manager.acquire(name, hold=30))
    to = manager.acquire("other", hold=30).proxy.id
    redis.hdel(KEYS.session("moved"), "p")
    redis.hdel(KEYS.session("written"), "a")

    with pytest.raises(StoreDamaged, match="'moved'"):
        manager.migrate("moved", to)
    with pytest.raises(StoreDamaged, match="'written'"):
        manager.set_metadata("written", shop="x")


def test_what_is_no_session_does_not_keep_the_others_from_being_cleared(
    manager: SessionManager, redis: Redis
) -> None:
    for n in range(4):
        manager.release(manager.acquire(f"s{n}", hold=30))
    redis.delete(KEYS.session("s0"))
    redis.set(KEYS.session("s0"), "no hash")

    list(manager.clear())

    assert redis.zcard(KEYS.expiry) == 0
    assert redis.keys(KEYS.session("*")) == []


def test_who_writes_a_state_over_a_dead_holder_ends_his_lease_whole(
    manager_of: Managers, redis: Redis
) -> None:
    manager = manager_of(margin=0)
    late = manager.acquire("s", hold=0.05)
    while (state := manager.state("s")) is not None:
        try:
            manager.put_state("s", state.patched({"user_agent": "new"}))
        except LimpetError:  # leased still
            continue
        break

    with pytest.raises(LimpetError):
        manager.release(late, Outcome.FAULT)

    proxy = KEYS.live_proxy(late.proxy.id)
    assert redis.hmget(proxy, "inflight", "faults", "lost") == [b"0", b"0", b"1"]
