"""A session Redis whose master dies, behind a Sentinel and in a Cluster.

What the master had told its replica holds. What it had not is lost, with whatever was
answered to callers: fencing sees to it that nobody goes on with what is gone.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from redis import Redis

from limpet.connection import connect
from limpet.errors import LeaseLost, StoreUnavailable
from proxies import Outcome, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import Lease, SessionManager
from sessions.store import SessionStore
from tests.sessions.replicated import ReplicatedCluster
from tests.watched import Watched, copied

Eventually = Callable[..., None]
Ports = Callable[[], int]

NAMES = [f"s{n}" for n in range(12)]


@pytest.fixture(params=["sentinel", "cluster"])
def replicated(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    free_port: Ports,
    eventually: Eventually,
) -> Iterator[Watched | ReplicatedCluster]:
    """Give a master with a replica that follows it when it dies."""
    made: Watched | ReplicatedCluster
    with ExitStack() as running:
        if request.param == "sentinel":
            made = Watched(tmp_path, [free_port() for _ in range(3)], running)
        else:
            made = ReplicatedCluster(tmp_path, free_port, running)
        eventually(made.knows_a_replica, within=40)
        yield made


def _client(replicated: Watched | ReplicatedCluster) -> Redis:
    if isinstance(replicated, ReplicatedCluster):
        return connect(replicated.url, cluster=True)
    # The first one answers to nobody: it is passed by.
    sentinels = f"sentinel://127.0.0.1:1/0;sentinel://127.0.0.1:{replicated.port}"
    return connect(sentinels, master="shop")


def _manager(client: Redis) -> SessionManager:
    return SessionManager(
        "default",
        SessionStore(client, "default"),
        ProxyPool(ProxyStore(client, "default")),
    )


def _use(manager: SessionManager, name: str) -> Lease:
    lease = manager.acquire(name, hold=30)
    manager.release(lease, Outcome.OK, patch={"user_agent": name})
    return lease


def _patiently(do: Callable[[], Lease], eventually: Eventually) -> Lease:
    """Do what may fail while a replica is being promoted, as a job does it again."""
    found: list[Lease] = []

    def done() -> bool:
        with suppress(StoreUnavailable):
            found.append(do())
        return bool(found)

    eventually(done, within=60)
    return found[0]


@pytest.mark.timeout(180)
def test_sessions_stay_bound_when_a_replica_is_promoted(
    replicated: Watched | ReplicatedCluster,
    records: list[ProxyRecord],
    eventually: Eventually,
) -> None:
    manager = _manager(_client(replicated))
    ProxyPool(ProxyStore(_client(replicated), "default")).publish(records)
    before = {name: _use(manager, name).proxy.id for name in NAMES}
    held = manager.acquire("held", hold=60)
    eventually(lambda: copied(replicated.master_port, replicated.replica_port))

    replicated.master.kill()
    eventually(replicated.promoted, within=60)

    after = {
        name: _patiently(partial(_use, manager, name), eventually) for name in NAMES
    }
    assert {name: lease.proxy.id for name, lease in after.items()} == before
    assert {lease.generation for lease in after.values()} == {1}
    assert {name: lease.state.user_agent for name, lease in after.items()} == {
        name: name for name in NAMES
    }
    # Who was under way at the time ends as if nothing had been.
    assert manager.release(held, Outcome.OK, patch={"user_agent": "held"}) > 0


@pytest.mark.timeout(180)
def test_who_asks_again_and_again_finds_the_new_master(
    replicated: Watched | ReplicatedCluster,
    records: list[ProxyRecord],
    eventually: Eventually,
) -> None:
    manager = _manager(_client(replicated))
    ProxyPool(ProxyStore(_client(replicated), "default")).publish(records)
    _use(manager, "before")
    # Not the same again: whose lease could not be ended is held for a while.
    names = (f"after-{n}" for n in count())
    # The proxies would be lost too, if the replica had not heard of them.
    eventually(lambda: copied(replicated.master_port, replicated.replica_port))

    replicated.master.kill()

    # Never does it rest for so long that its connections are looked at.
    found = _patiently(lambda: _use(manager, next(names)), eventually)
    assert found.created


@pytest.mark.timeout(180)
def test_what_the_replica_was_not_told_of_can_change_nothing(
    replicated: Watched | ReplicatedCluster,
    records: list[ProxyRecord],
    free_port: Ports,
    eventually: Eventually,
) -> None:
    manager = _manager(_client(replicated))
    ProxyPool(ProxyStore(_client(replicated), "default")).publish(records)
    _use(manager, "old")
    eventually(lambda: copied(replicated.master_port, replicated.replica_port))
    replicated.cut_off(free_port())
    lost = manager.acquire("old", hold=60)
    unheard = manager.acquire("new", hold=60)

    replicated.master.kill()
    eventually(replicated.promoted, within=60)

    # To the new master nobody holds either: the next ones get them at once ...
    again = _patiently(lambda: manager.acquire("old", hold=60), eventually)
    other = _patiently(lambda: manager.acquire("new", hold=60), eventually)
    # ... and those of before are refused, with what they bring.
    for stale in (lost, unheard):
        with pytest.raises(LeaseLost):
            manager.release(stale, Outcome.OK, patch={"user_agent": "stale"})
    assert manager.release(again, Outcome.OK, patch={"user_agent": "true"}) > 0
    assert manager.release(other, Outcome.OK, patch={"user_agent": "true"}) > 0
    assert again.proxy.id == lost.proxy.id
    for name in ("old", "new"):
        assert _use(manager, name).state.user_agent == "true"
