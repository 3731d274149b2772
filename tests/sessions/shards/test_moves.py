"""Sessions of a pool of several shards move, and their proxies rest."""

from typing import TYPE_CHECKING

import pytest

from limpet.errors import (
    InvalidSelection,
)
from limpet.shards import shard_of
from proxies import Outcome, Proxy, ProxyPool, ProxyRecord, Tried
from proxies.sharded import ShardedProxies
from sessions import SessionManager
from sessions.transfer import export_sessions, import_sessions
from tests.sessions.shards.conftest import HOT, SHARDS, many, use

if TYPE_CHECKING:
    from tests.sessions.conftest import Server


def test_a_proxy_is_drained_and_evacuated(
    hot: SessionManager, proxies: ProxyPool
) -> None:
    homes = use(hot, *many(200))
    proxy = homes["s000"]
    theirs = {name for name, home in homes.items() if home == proxy}

    assert proxies.set_mode(proxy, "draining")
    drained = use(hot, *many(200), *(f"new{n}" for n in range(100)))
    assert proxies.set_mode(proxy, "evacuating")
    moved = [step.moved for step in hot.evacuate(proxy)]

    assert {name for name, home in drained.items() if home == proxy} == theirs
    assert sum(moved) == len(theirs)
    after = {info.session: info.proxy for info in hot.all()}
    assert proxy not in after.values()
    assert all(
        shard_of(home, SHARDS) == shard_of(name, SHARDS) for name, home in after.items()
    )


def test_a_sweep_goes_through_all_shards(
    hot: SessionManager, proxies: ProxyPool
) -> None:
    homes = use(hot, *many(300))
    leaving = {homes["s000"], homes["s001"]}
    for proxy in leaving:
        proxies.set_mode(proxy, "evacuating")
    cursor = moved = 0
    while True:
        cursor, step = hot.sweep(leaving, cursor)
        moved += step.moved
        if not cursor:
            break

    assert moved == sum(home in leaving for home in homes.values())


def test_a_session_is_moved_to_a_proxy_of_its_shard_alone(hot: SessionManager) -> None:
    [home] = use(hot, "s").values()
    own, other = (
        next(
            one.id
            for one in HOT
            if one.id != home
            and (shard_of(one.id, SHARDS) == shard_of("s", SHARDS)) is same
        )
        for same in (True, False)
    )

    hot.migrate("s", own)
    with pytest.raises(InvalidSelection, match="session's own shard"):
        hot.migrate("s", other)

    assert use(hot, "s") == {"s": own}


def test_a_lease_ends_and_the_next_one_begins_in_another_shard(
    hot: SessionManager,
) -> None:
    first, near, far = "s000", "", ""
    for name in many(99)[1:]:
        same = shard_of(name, SHARDS) == shard_of(first, SHARDS)
        near, far = (name, far) if same else (near, name)
    lease = hot.acquire(first, hold=30)

    for name in (near, far, near):
        lease = hot.release_and_acquire(lease, Outcome.OK, name, hold=30)
        assert lease.session == name
    hot.release(lease)

    assert hot.stats().leases == 0
    assert hot.stats().counters["acquired"] == 4


def test_proxies_are_tried_and_told_of_in_every_shard(proxies: ProxyPool) -> None:
    given = [one for one, _ in proxies.probes("t", most=100, hold=9, again=9)]
    standing = proxies.report(given[0], Tried(Outcome.OK, 0.1))
    refused = proxies.report(given[1], Tried(Outcome.REFUSED, 0.1))
    status = {one.record.id: one.state for one in proxies.status(HOT)}

    assert sorted(given) == sorted(one.id for one in HOT)
    assert standing.state == status[given[0]] == "healthy"
    assert refused.state == status[given[1]]
    assert proxies.probes("u", most=3, hold=9, again=9) == []
    assert proxies.strangers(lambda ids: set(ids) - {given[5]}) == [given[5]]


def test_no_proxy_is_tried_twice_however_many_a_shard_has(server: "Server") -> None:
    # More than one step looks at, and not as many in each shard.
    records = [
        ProxyRecord(Proxy("http", f"10.8.{n // 250}.{n % 250}", 8080))
        for n in range(1700)
        if shard_of(Proxy("http", f"10.8.{n // 250}.{n % 250}", 8080).id, 2) or n % 3
    ]
    proxies = ProxyPool(ShardedProxies(server.client, "many", 2))
    proxies.publish(records)

    first = [one for one, _ in proxies.probes("t", most=1000, hold=9, again=99)]
    second = [one for one, _ in proxies.probes("t", most=1000, hold=9, again=99)]

    assert len(first) == 1000
    assert sorted(first + second) == sorted(record.id for record in records)
    assert proxies.probes("t", most=1000, hold=9, again=99) == []


def test_a_ban_holds_in_the_whole_pool(hot: SessionManager, proxies: ProxyPool) -> None:
    lease = hot.acquire("s", hold=30)
    hot.release(lease, Outcome.BLOCKED, domain="shop.test", ban=60)

    again = hot.acquire("s", hold=30, domain="shop.test")

    assert again.proxy.id != lease.proxy.id
    assert [name for name, _ in proxies.bans(lease.proxy.id)] == ["shop.test"]


def test_sessions_go_to_a_file_and_back(hot: SessionManager) -> None:
    homes = use(hot, *many(40), patch={"metadata": {"a": 1}})
    lines = list(export_sessions(hot))
    assert sum(hot.clear()) == 40

    done = import_sessions(hot, lines)

    assert (done.restored, done.moved) == (40, 0)
    assert use(hot, *many(40)) == homes
    assert hot.set_metadata("s000", b=2)
    state = hot.state("s000")
    assert state is not None
    assert state.metadata == {"a": 1, "b": 2}
