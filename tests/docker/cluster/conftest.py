"""pytest-celery's containers, with our image, our app, and a Redis each for two things.

What is declared anew: its Redis says that it listens on its own port where tests run in
a container themselves, publishes itself to everybody, and gets another port when it is
started again; its worker mounts code of the tests over the image's.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from pytest_celery import (
    CeleryBackendCluster,
    CeleryBrokerCluster,
    CeleryTestSetup,
    CeleryTestWorker,
    CeleryWorkerCluster,
    CeleryWorkerContainer,
    RedisContainer,
    RedisTestBackend,
)
from pytest_docker_tools import container, fxtr
from pytest_docker_tools.wrappers import Container

from lab.stand import PROXIES, lines
from proxies import ProxyPool, ProxyRecord, parse_proxy
from proxies.store import ProxyStore
from tests.docker.cluster.crowd import Crowd
from tests.docker.compose import free_port

Eventually = Callable[..., None]

_NETWORK = "{default_pytest_celery_network.name}"


class Redis(RedisContainer):  # type: ignore[misc] # it has no types
    """One that keeps what it was told, on a port of loopback that stays the same."""

    @classmethod
    def command(cls, *_args: str, **_kwargs: Any) -> list[str]:
        kept = ("--appendonly", "yes", "--maxmemory-policy", "noeviction")
        return ["redis-server", "--save", "", *kept, "--protected-mode", "no"]

    @property
    def port(self) -> int:
        found: int = self.ports["6379/tcp"][0]
        return found

    @property
    def host_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/{self.vhost}"


class Worker(CeleryWorkerContainer):  # type: ignore[misc] # it has no types
    """One of the shipped image, as docker-compose.yml starts it."""

    @classmethod
    def command(cls, *_args: str, **_kwargs: Any) -> list[str]:
        quiet = ("--without-gossip", "--without-mingle")
        return ["celery", "-A", "tasks", "worker", "-n", "worker@%h", *quiet]

    @classmethod
    def worker_name(cls) -> str:
        return "worker"

    def ready(self) -> bool:
        """Let all begin at a time: `crowd` waits until they answer."""
        return True


class Stand(Container):  # type: ignore[misc] # it has no types
    """The demo's site and proxies."""

    def ready(self) -> bool:
        return bool(super().ready() and self.logs().count("ready ") == PROXIES)


def _redis(ports: str) -> Any:
    return container(
        image="redis:8",
        ports=fxtr(ports),
        network=_NETWORK,
        command=Redis.command(),
        wrapper_class=Redis,
        timeout=90,
    )


def _worker() -> Any:
    return container(
        image="limpet-worker",
        environment=fxtr("default_worker_env"),
        network=_NETWORK,
        command=Worker.command(),
        wrapper_class=Worker,
        timeout=120,
        init=True,
        read_only=True,
        cap_drop=["ALL"],
        tmpfs={"/tmp": "", "/var/lib/limpet": "uid=10001,gid=10001,mode=0700"},
    )


@pytest.fixture
def broker_ports() -> dict[str, tuple[str, int]]:
    return {"6379/tcp": ("127.0.0.1", free_port())}


@pytest.fixture
def sessions_ports() -> dict[str, tuple[str, int]]:
    return {"6379/tcp": ("127.0.0.1", free_port())}


default_redis_broker = _redis("broker_ports")
session_store = _redis("sessions_ports")
stand = container(
    image="limpet-lab",
    network=_NETWORK,
    init=True,
    read_only=True,
    wrapper_class=Stand,
    timeout=90,
)
default_worker_container = _worker()
second_worker_container = _worker()
third_worker_container = _worker()


@pytest.fixture
def worker_settings() -> dict[str, str]:
    """Return settings of workers; a module may have others."""
    return {}


@pytest.fixture
def default_worker_env(
    default_redis_broker: Redis, session_store: Redis, worker_settings: dict[str, str]
) -> dict[str, str]:
    return {
        "CELERY_BROKER_URL": default_redis_broker.url,
        "LIMPET_REDIS_URL": session_store.url,
        "LIMPET_VISIBILITY_TIMEOUT_SECONDS": "4",
        "LIMPET_WORKER_THREADS": "4",
        # Proxies come from the tests, and nobody tells of alerts.
        "LIMPET_ALERTS_ENABLED": "false",
        **worker_settings,
    }


@pytest.fixture
def celery_broker_cluster(celery_redis_broker: Any) -> CeleryBrokerCluster:
    return CeleryBrokerCluster(celery_redis_broker)


@pytest.fixture
def celery_backend_cluster(celery_redis_broker: Any) -> CeleryBackendCluster:
    return CeleryBackendCluster(RedisTestBackend(celery_redis_broker.container))


@pytest.fixture
def celery_setup_app(default_redis_broker: Redis) -> Iterator[Celery]:
    """Return a plain app: that of a program which sends jobs."""
    url = default_redis_broker.host_url
    app = Celery(broker=url, backend=url)
    app.set_current()
    yield app
    app.close()


@pytest.fixture
def workers() -> int:
    """Return how many workers the test has: 2 or 3."""
    return 2


@pytest.fixture
def celery_worker_cluster(
    default_worker_container: Worker,
    second_worker_container: Worker,
    workers: int,
    celery_setup_app: Celery,
    request: pytest.FixtureRequest,
) -> CeleryWorkerCluster:
    found = [default_worker_container, second_worker_container]
    if workers > len(found):
        found.append(request.getfixturevalue("third_worker_container"))
    return CeleryWorkerCluster(
        *(CeleryTestWorker(one, celery_setup_app) for one in found)
    )


@pytest.fixture
def crowd(
    celery_setup: CeleryTestSetup,
    session_store: Redis,
    stand: Stand,
    eventually: Eventually,
) -> Crowd:
    """Return workers with five proxies, and a site that lies behind those."""
    pool = ProxyPool(ProxyStore(session_store.client, "default"))
    seen_from_workers = stand.id[:12]
    pool.publish([ProxyRecord(parse_proxy(line)) for line in lines(seen_from_workers)])
    made = Crowd(celery_setup, session_store, stand)
    eventually(lambda: len(made.answering()) == len(made.workers), within=150)
    return made
