"""When Redis is away, refuses, or has forgotten: one clear error, then recovery."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from limpet.connection import connect, require_no_eviction
from limpet.errors import ConfigurationError, StoreUnavailable
from limpet.keys import Keys
from limpet.scripts import Script
from proxies import Outcome
from proxies.strategies import dispatch, strategies
from sessions import Lease, SessionManager
from sessions.state import StatePatch

if TYPE_CHECKING:
    from tests.sessions.conftest import Eventually, Server

KEYS = Keys("default")
PATCH: StatePatch = {"cookies": [{"name": "c"}]}


def test_bindings_survive_a_killed_server(
    own_server: "Server", eventually: "Eventually"
) -> None:
    manager, client = own_server.manager(), own_server.client
    manager.release(manager.acquire("s", hold=30), patch=PATCH)
    client.bgrewriteaof()
    eventually(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0)

    own_server.kill()
    with pytest.raises(StoreUnavailable, match="cannot reach Redis"):
        manager.acquire("s", hold=30)
    own_server.start()

    lease = manager.acquire("s", hold=30)
    assert (lease.created, lease.state.cookies) == (False, PATCH["cookies"])


def test_a_lease_outlives_a_server_that_is_stopped_and_started(
    own_server: "Server",
) -> None:
    manager = own_server.manager()
    lease = manager.acquire("s", hold=30)

    own_server.stop()
    with pytest.raises(StoreUnavailable, match="cannot reach Redis"):
        manager.release_and_acquire(lease, Outcome.OK, "s", hold=30)
    with pytest.raises(StoreUnavailable, match="cannot reach Redis"):
        manager.release(lease, patch=PATCH)
    own_server.start()

    assert manager.release(lease, patch=PATCH) > 0
    assert manager.acquire("s", hold=30).state.cookies == PATCH["cookies"]


def test_flushed_scripts_are_loaded_again(own_server: "Server") -> None:
    manager, flush = own_server.manager(), own_server.client.script_flush
    lease = manager.acquire("s", hold=30)

    flush()
    again = manager.release_and_acquire(lease, Outcome.OK, "s", hold=30)
    flush()
    other = manager.release_and_acquire(again, Outcome.OK, "other", hold=30)
    flush()
    manager.release(other)
    flush()
    assert manager.expire(50).leases == 0

    assert own_server.client.zcard(KEYS.leases) == 0
    assert manager.stats().counters["acquired"] == 3


@pytest.mark.parametrize("loaded", ["release", "acquire"])
@pytest.mark.parametrize("then", ["s", "other"])
def test_half_of_the_scripts_flushed_does_nothing_twice(
    own_server: "Server", loaded: str, then: str
) -> None:
    manager, client = own_server.manager(), own_server.client
    lease = manager.acquire("s", hold=30)
    client.script_flush()
    inserts = {"strategies": dispatch(strategies())}
    client.script_load(Script("sessions", loaded, inserts).source)

    after = manager.release_and_acquire(lease, Outcome.OK, then, hold=30, elapsed=0.1)

    assert client.zcard(KEYS.leases) == 1
    assert manager.release(after) == after.state.version
    stats = manager.stats()
    assert (stats.counters["acquired"], sum(stats.times.values())) == (2, 1)


def test_a_full_server_refuses_and_recovers(own_server: "Server") -> None:
    manager, client = own_server.manager(), own_server.client
    lease = manager.acquire("held", hold=30)
    before = client.hgetall(KEYS.session("held"))

    client.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailable, match="out of memory"):
        manager.acquire("s", hold=30)
    assert client.hgetall(KEYS.session("held")) == before
    # Whoever works must not lose his lease because there is no room for others.
    manager.renew(lease, hold=60)
    client.config_set("maxmemory", 0)

    assert manager.acquire("s", hold=30).created
    assert manager.release(lease, patch=PATCH) > 0


def test_a_lease_is_given_back_to_a_full_server(own_server: "Server") -> None:
    manager, client = own_server.manager(), own_server.client
    lease = manager.acquire("s", hold=30)

    client.config_set("maxmemory", 1)
    manager.release(lease, Outcome.OK)

    assert client.zcard(KEYS.leases) == 0


def test_a_wrong_password_is_named_without_being_shown(own_server: "Server") -> None:
    plain = Redis.from_url(own_server.url)
    plain.config_set("requirepass", "right")
    client = Redis.from_url(own_server.url.replace("//", "//:wr0ng@"))
    manager = own_server.manager(client=client)

    with pytest.raises(StoreUnavailable, match="password") as caught:
        manager.acquire("s", hold=30)
    plain.config_set("requirepass", "wr0ng")

    assert "wr0ng" not in str(caught.value)
    assert manager.acquire("s", hold=30).created
    plain.config_set("requirepass", "")
    plain.close()
    client.close()


def test_a_password_that_is_missing_is_asked_for(own_server: "Server") -> None:
    plain = Redis.from_url(own_server.url)
    plain.config_set("requirepass", "right")
    client = Redis.from_url(own_server.url)
    manager = own_server.manager(client=client)

    with pytest.raises(StoreUnavailable, match="password"):
        manager.acquire("s", hold=30)
    plain.config_set("requirepass", "")

    assert manager.acquire("s", hold=30).created
    plain.close()
    client.close()


def test_a_replica_is_refused_until_it_is_promoted(own_server: "Server") -> None:
    manager, client = own_server.manager(), own_server.client
    lease = manager.acquire("held", hold=30)
    client.replicaof("127.0.0.1", "1")

    for act in (
        lambda: manager.acquire("s", hold=30),
        lambda: manager.release(lease),
        lambda: manager.release_and_acquire(lease, Outcome.OK, "s", hold=30),
    ):
        with pytest.raises(StoreUnavailable, match="read-only"):
            act()
    client.replicaof("NO", "ONE")

    assert manager.release_and_acquire(lease, Outcome.OK, "s", hold=30).created


def test_a_server_that_evicts_is_refused(own_server: "Server") -> None:
    own_server.client.config_set("maxmemory-policy", "allkeys-lru")

    with pytest.raises(ConfigurationError, match="LIMPET_ALLOW_EVICTION"):
        require_no_eviction(own_server.client)


def test_a_cluster_that_is_down_is_waited_for(
    own_cluster: "Server", eventually: "Eventually"
) -> None:
    manager = own_cluster.manager()
    lease = manager.acquire("s", hold=30)

    own_cluster.stop()
    for act in (
        lambda: manager.acquire("s", hold=30),
        lambda: manager.release_and_acquire(lease, Outcome.OK, "s", hold=30),
        lambda: manager.get("s"),
    ):
        with pytest.raises(StoreUnavailable, match=r"cluster|cannot reach"):
            act()
    own_cluster.start()

    eventually(lambda: _released(manager, lease))
    assert not manager.acquire("s", hold=30).created


def _released(manager: SessionManager, lease: Lease) -> bool:
    try:
        return manager.release(lease) == lease.state.version
    except StoreUnavailable:
        return False


def test_a_cluster_that_is_not_there_is_an_error(free_port: Callable[[], int]) -> None:
    with pytest.raises(StoreUnavailable, match="cluster"):
        connect(f"redis://127.0.0.1:{free_port()}/0", cluster=True)
