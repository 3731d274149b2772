"""Workers for a module, and proxies without the command line."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from redis import Redis

from lab import Lab
from limpet.connection import connect
from proxies import ProxyPool, ProxyRecord, parse_proxy
from proxies.store import ProxyStore
from tests.conftest import Eventually
from tests.integration.crew import Crew
from tests.stack import Stack
from tests.warm import Warm


@pytest.fixture
def publish(redis: Redis) -> Callable[..., None]:
    """Make proxies known to the pool ``default``."""

    def make_known(*lines: str) -> None:
        records = [ProxyRecord(parse_proxy(line)) for line in lines]
        ProxyPool(ProxyStore(redis, "default")).publish(records)

    return make_known


@pytest.fixture
def crew(
    own_crew: Crew, lab: Lab, request: pytest.FixtureRequest, eventually: Eventually
) -> Iterator[Crew]:
    """The module's worker, with a pool for this test; see that nothing is left."""
    own_crew.lab = lab
    pool = re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))
    own_crew.use(pool[:32], *(proxy.line for proxy in lab.proxies))
    yield own_crew
    eventually(lambda: own_crew.restless() == [])
    for key in own_crew.redis.scan_iter("limpet:q:*"):
        own_crew.redis.delete(key)


@pytest.fixture(scope="module")
def crew_with(
    redis_port: int, tmp_path_factory: pytest.TempPathFactory, lab: Lab, warm: Warm
) -> Iterator[Callable[..., Crew]]:
    """Start a worker for the whole module."""
    with ExitStack() as open_:

        def start(**environment: str) -> Crew:
            made = Stack(redis_port, tmp_path_factory.mktemp("crew"), warm)
            open_.callback(made.close)
            redis = connect(made.redis_url)
            redis.flushall()
            made.environment |= environment
            done = made.manage("migrate")
            assert done.returncode == 0, done.stderr
            made.worker()
            return Crew(made, lab, redis)

        yield start
    connect(f"redis://127.0.0.1:{redis_port}/0").flushall()
