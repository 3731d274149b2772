"""A Cluster moves the slot of a pool to another node, while jobs go on."""

from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from limpet.errors import StoreUnavailable
from limpet.keys import Keys
from proxies import Outcome

if TYPE_CHECKING:
    from tests.sessions.conftest import Server

KEYS = Keys("default")


def _say(node: Redis, *words: str | int | bytes) -> Any:
    return node.execute_command(*words)  # type: ignore[no-untyped-call] # redis-py


@pytest.mark.parametrize("first", [KEYS.counters, KEYS.leases, KEYS.session("s")])
def test_nothing_is_done_with_half_of_a_pool(own_cluster: "Server", first: str) -> None:
    manager = own_cluster.manager()
    manager.release(manager.acquire("s", hold=30), Outcome.OK)
    held = manager.acquire("s", hold=60)
    slot = int(_say(own_cluster.nodes[0], "CLUSTER", "KEYSLOT", KEYS.tag))
    ports = list(own_cluster.ports)
    holds = {
        port: bool(_say(node, "CLUSTER", "COUNTKEYSINSLOT", slot))
        for port, node in zip(ports, own_cluster.nodes, strict=True)
    }
    [source] = [port for port in ports if holds[port]]
    target = next(port for port in ports if not holds[port])
    node = dict(zip(ports, own_cluster.nodes, strict=True))
    ids = {port: _say(node[port], "CLUSTER", "MYID").decode() for port in ports}
    _say(node[target], "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    _say(node[source], "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])

    def move(key: bytes | str) -> None:
        _say(node[source], "MIGRATE", "127.0.0.1", target, key, 0, 5000)

    move(first)
    for job in (
        lambda: manager.acquire("s", hold=30),
        lambda: manager.acquire("new", hold=30),
        lambda: manager.release(held),
    ):
        with pytest.raises(StoreUnavailable, match="is moving"):
            job()
    for key in _say(node[source], "CLUSTER", "GETKEYSINSLOT", slot, 1000):
        move(key)
    for port in (target, source):
        _say(node[port], "CLUSTER", "SETSLOT", slot, "NODE", ids[target])

    assert manager.release(held, Outcome.OK) > 0
    again = manager.acquire("s", hold=30)
    assert (again.created, again.proxy, again.generation) == (False, held.proxy, 1)
    assert int(again.token.split(":")[1]) == int(held.token.split(":")[1])
