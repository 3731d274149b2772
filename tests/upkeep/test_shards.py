"""A hot pool over the nodes of a Cluster, on real processes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from beat_schedule import ENTRIES
from lab import Lab
from limpet.keys import Keys
from limpet.settings import Settings, variable_of
from limpet.shards import shard_of
from limpet.upkeep import UpkeepStore
from proxies import ProxyRecord, parse_proxy
from sessions import open_pool
from tests.conftest import Eventually
from tests.sessions.conftest import Server
from tests.stack import Stack

#: On all three nodes, as their names hash.
COUNT = 3
SHARDS = f"shop={COUNT}"
SETTINGS = Settings(_env_file=None, pool_shards=SHARDS)
SESSIONS, PAGES = 24, 3


@pytest.fixture
def cluster(free_port: Callable[[], int], tmp_path: Path) -> Iterator[Server]:
    with Server("cluster", free_port, tmp_path / "cluster") as made:
        yield made


@pytest.fixture
def there(cluster: Server) -> dict[str, str]:
    """The environment of all processes: every task of upkeep runs all the time."""
    seconds = {"seconds": "1", "minutes": "0.02"}
    return {
        "LIMPET_REDIS_URL": cluster.url,
        "LIMPET_REDIS_CLUSTER": "true",
        "LIMPET_POOL_SHARDS": SHARDS,
        **{
            variable_of(f"{entry.prefix}_interval_{entry.unit}"): seconds[entry.unit]
            for entry in ENTRIES
        },
    }


@pytest.fixture
def wide_lab() -> Iterator[Lab]:
    """A lab with a proxy in each shard, where their ports, drawn by lot, have them."""
    for _ in range(10):
        with Lab(proxies=9) as made:
            ids = [ProxyRecord(parse_proxy(proxy.line)).id for proxy in made.proxies]
            if len({shard_of(one, COUNT) for one in ids}) == COUNT:
                yield made
                return
    raise AssertionError("no lab has a proxy in each shard")


def imported(stack: Stack, lines: str, **there: str) -> None:
    options = ("proxies", "import", "-", "--pool", "shop")
    done = stack.manage(*options, stdin=lines, **there)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(240)
def test_jobs_on_several_nodes_are_those_of_one_pool(
    stack: Stack, cluster: Server, there: dict[str, str], wide_lab: Lab
) -> None:
    imported(stack, "\n".join(proxy.line for proxy in wide_lab.proxies), **there)
    stack.worker(**there)
    app = stack.app()
    names = [f"user-{n}" for n in range(SESSIONS)]

    results = [
        app.send_task(
            "scrape",
            kwargs={
                "url": f"{wide_lab.site}/shop/{name}/{page}",
                "session": name,
                "pool": "shop",
            },
        )
        for page in range(PAGES)
        for name in names
    ]

    assert {result.get(timeout=60)["pool"] for result in results} == {"shop"}
    exits = {(visit.visitor, visit.address) for visit in wide_lab.visits()}
    assert sorted(visitor for visitor, _ in exits) == sorted(names)
    shares = [len(list(node.scan_iter("{shop#*}:s:*"))) for node in cluster.nodes]
    assert sum(shares) == SESSIONS
    assert min(shares) > 0

    def told(*command: str) -> Any:
        done = stack.manage(*command, "--pool", "shop", "--json", **there)
        return json.loads(done.stdout)

    assert len(told("sessions", "ls")) == SESSIONS
    assert told("sessions", "stats")["sessions"] == SESSIONS
    assert {one["state"] for one in told("proxies", "ls")} <= {"healthy", "unknown"}
    shown = stack.manage("sessions", "show", "user-20", "--pool", "shop", **there)
    assert "created" in shown.stdout


@pytest.mark.timeout(240)
def test_upkeep_does_its_work_in_all_shards(
    stack: Stack, cluster: Server, there: dict[str, str], eventually: Eventually
) -> None:
    lines = "\n".join(f"http://127.0.8.{n}:8080" for n in range(40))
    imported(stack, lines, **there)
    manager = open_pool(cluster.client, "shop", SETTINGS)
    for n in range(SESSIONS):
        lease = manager.acquire(f"user-{n}", hold=30)
        manager.release(lease, patch={"user_agent": "x"})
    for n in range(SESSIONS // 2):
        keys = Keys(f"shop#{shard_of(f'user-{n}', COUNT)}")
        cluster.client.hset(keys.session(f"user-{n}"), "x", 1)
        cluster.client.zadd(keys.expiry, {f"user-{n}": 1})
    stack.worker(**there)
    stack.celery("beat", log="beat", **there)
    store = UpkeepStore(cluster.client)

    def all_well() -> bool:
        found = [store.record(entry.task) for entry in ENTRIES]
        return all(one.last_ok and one.runs >= 3 for one in found)

    eventually(all_well, within=150)
    assert [store.record(entry.task).error for entry in ENTRIES] == [""] * len(ENTRIES)
    assert manager.stats().sessions == SESSIONS // 2
    told: dict[str, Any] = {
        entry.task: store.record(entry.task).result for entry in ENTRIES
    }
    assert told["snapshot_metrics"]["taken"] == 1
    assert told["checkpoint_sessions"]["seen"] == SESSIONS // 2

    cluster.client.flushall()
    done = stack.manage("sessions", "restore", "--json", **there)

    back = json.loads(done.stdout)["pools"]["shop"]
    assert (back["restored"], back["moved"]) == (SESSIONS // 2, 0)


def test_a_worker_with_another_number_does_not_start(
    stack: Stack, eventually: Eventually
) -> None:
    shards = {"LIMPET_POOL_SHARDS": "default=4"}
    line = "\n".join(f"http://127.0.8.{n}:8080" for n in range(30))
    assert stack.manage("proxies", "import", "-", stdin=line).returncode == 0

    process = stack.celery("worker", log="refused", **shards)

    eventually(lambda: process.poll() is not None, within=60)
    assert process.returncode != 0
    said = stack.log("refused").read_text()
    assert "LIMPET_POOL_SHARDS: pool default is to have 4 shards" in said
    assert "sessions reshard --pool default --out FILE" in said
