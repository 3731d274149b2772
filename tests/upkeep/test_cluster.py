"""All of upkeep on a Redis Cluster of three nodes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis

from beat_schedule import ENTRIES
from limpet.keys import Keys
from limpet.settings import variable_of
from limpet.upkeep import UpkeepStore
from proxies import Proxy, ProxyPool, ProxyRecord
from proxies.store import ProxyStore
from sessions import SessionManager
from sessions.store import SessionStore
from tests.conftest import Eventually
from tests.sessions.conftest import Server
from tests.stack import Stack

#: On different nodes, as their names hash.
POOLS: Final = ("default", "shop", "news", "mail")
SESSIONS: Final = 60


@pytest.fixture
def cluster(free_port: Callable[[], int], tmp_path: Path) -> Iterator[Server]:
    with Server("cluster", free_port, tmp_path / "cluster") as made:
        yield made


def _pool(client: Redis, name: str) -> SessionManager:
    proxies = ProxyPool(ProxyStore(client, name))
    proxies.publish(
        [ProxyRecord(Proxy("http", f"127.0.0.{n}", 9)) for n in range(1, 4)]
    )
    return SessionManager(name, SessionStore(client, name), proxies)


def _fill(manager: SessionManager, client: Redis) -> None:
    """Half of the sessions are over, and one was closed."""
    keys = Keys(manager.pool)
    for n in range(SESSIONS):
        lease = manager.acquire(f"s{n}", hold=30)
        manager.release(lease, patch={"user_agent": "x"})
    for n in range(SESSIONS // 2):
        client.hset(keys.session(f"s{n}"), "x", 1)
        client.zadd(keys.expiry, {f"s{n}": 1})
    manager.close(f"s{SESSIONS - 1}")


@pytest.mark.timeout(240)
def test_every_task_does_its_work(
    stack: Stack, cluster: Server, eventually: Eventually
) -> None:
    client = cluster.client
    managers = [_pool(client, name) for name in POOLS]
    assert len({client.keyslot(Keys(name).tag) * 3 // 16_384 for name in POOLS}) > 1  # type: ignore[attr-defined] # of a cluster's
    for manager in managers:
        _fill(manager, client)
    there = {
        "LIMPET_REDIS_URL": cluster.url,
        "LIMPET_REDIS_CLUSTER": "true",
        **{
            variable_of(f"{entry.prefix}_interval_{entry.unit}"): {
                "seconds": "1",
                "minutes": "0.02",
            }[entry.unit]
            for entry in ENTRIES
        },
    }
    assert stack.manage("migrate", **there).returncode == 0
    stack.worker(**there)
    stack.celery("beat", log="beat", **there)
    store = UpkeepStore(client)

    def all_well() -> bool:
        found = [store.record(entry.task) for entry in ENTRIES]
        return all(one.last_ok and one.runs >= 3 for one in found)

    eventually(all_well, within=120)
    left = SESSIONS // 2 - 1
    assert [one.stats().sessions for one in managers] == [left] * len(POOLS)
    assert [store.record(entry.task).error for entry in ENTRIES] == [""] * len(ENTRIES)
    told: dict[str, Any] = {
        entry.task: store.record(entry.task).result for entry in ENTRIES
    }
    assert told["snapshot_metrics"]["taken"] == len(POOLS)
    assert told["checkpoint_sessions"]["seen"] == left * len(POOLS)
    assert store.beat().active
    shown = stack.manage("health", "--json", **there)
    assert '"status": "down"' not in shown.stdout

    client.flushall()
    done = stack.manage("sessions", "restore", "--json", **there)

    assert done.returncode == 1  # no proxies are in the inventory
    assert f'"homeless": {left}' in done.stdout
