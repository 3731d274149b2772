"""The same workers with RabbitMQ as their broker, and quorum queues."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from pytest_celery import CeleryBrokerCluster, RabbitMQContainer, RabbitMQTestBroker
from pytest_docker_tools import container, fxtr

from limpet.settings import ROOT
from tests.docker.cluster.crowd import Crowd, states
from tests.docker.compose import free_port

Eventually = Callable[..., None]

_CONFIG = (ROOT / "deploy" / "rabbitmq" / "limpet.conf").read_text("utf-8")
#: Only here, where nobody else is: its user `guest` may come from another container.
_OPEN = "loopback_users = none\n"


class Rabbit(RabbitMQContainer):  # type: ignore[misc] # it has no types
    """One with the shipped configuration, on a port of loopback that stays the same."""

    @property
    def port(self) -> int:
        found: int = self.ports["5672/tcp"][0]
        return found

    @property
    def host_url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{self.hostname}//"


@pytest.fixture
def rabbit_ports() -> dict[str, tuple[str, int]]:
    return {"5672/tcp": ("127.0.0.1", free_port())}


rabbit = container(
    image="rabbitmq:4",
    ports=fxtr("rabbit_ports"),
    network="{default_pytest_celery_network.name}",
    environment={"CONFIG": _CONFIG + _OPEN},
    command=[
        *("sh", "-ec"),
        'echo "$CONFIG" > /etc/rabbitmq/conf.d/90-limpet.conf; exec rabbitmq-server',
    ],
    wrapper_class=Rabbit,
    timeout=90,
)


@pytest.fixture
def celery_broker_cluster(rabbit: Rabbit) -> CeleryBrokerCluster:
    return CeleryBrokerCluster(RabbitMQTestBroker(rabbit))


@pytest.fixture
def default_worker_env(
    default_worker_env: dict[str, str], default_redis_broker: Any, rabbit: Rabbit
) -> dict[str, str]:
    return {
        **default_worker_env,
        "CELERY_BROKER_URL": rabbit.url,
        "CELERY_RESULT_BACKEND": default_redis_broker.url,
    }


@pytest.fixture
def celery_setup_app(default_redis_broker: Any, rabbit: Rabbit) -> Celery:
    """Return a plain app, which says nothing of kinds of queues."""
    app = Celery(broker=rabbit.host_url, backend=default_redis_broker.host_url)
    app.set_current()
    return app


def _queues(crowd: Crowd) -> dict[str, tuple[str, int]]:
    """Return the kind of each queue, and how many messages it has."""
    asked = "rabbitmqctl --quiet list_queues name type messages"
    code, text = crowd.broker.exec_run(["sh", "-c", asked])
    assert code == 0, text
    lines = [line.split("\t") for line in text.decode().splitlines()[1:]]
    return {name: (kind, int(count)) for name, kind, count in lines}


def test_jobs_are_done_by_way_of_quorum_queues_and_outlive_their_worker(
    crowd: Crowd, eventually: Eventually
) -> None:
    page = crowd.send("plain").get(timeout=90)
    # The second one of a session waits for the first one: in RabbitMQ, not in a worker.
    pair = [crowd.send("pair", n, delay=3, session="pair") for n in (1, 2)]
    late = crowd.app.send_task(
        "scrape",
        kwargs={"url": "http://shop.test:8080/shop/named/1"},
        queue="scrape",
    )
    job = crowd.send("victim", delay=8)
    victim = None
    deadline = time.monotonic() + 20
    while victim is None and time.monotonic() < deadline:
        victim = crowd.holder(job)

    assert victim is not None
    victim.kill()
    found = job.get(timeout=90)

    kinds = _queues(crowd)
    assert (page["status"], found["status"], late.get(timeout=90)["status"]) == (
        *(200, 200, 200),
    )
    assert [one.get(timeout=60)["status"] for one in pair] == [200, 200]
    names = ("celery", "scrape", "render", "upkeep", "webhooks")
    assert {name: kinds[name][0] for name in names} == dict.fromkeys(names, "quorum")
    eventually(
        lambda: sum(count for _, count in _queues(crowd).values()) == 0, within=20
    )


def test_a_rabbitmq_that_is_restarted_loses_nothing(
    crowd: Crowd, eventually: Eventually
) -> None:
    before = crowd.started()
    running = [crowd.send(f"running-{n}", delay=4) for n in range(8)]
    eventually(lambda: crowd.leases() == 8, within=150)
    waiting = [crowd.send(f"waiting-{n}") for n in range(20)]

    crowd.broker._container.kill()
    crowd.broker._container.start()

    eventually(lambda: states(running + waiting) == {"SUCCESS": 28}, within=100)
    assert crowd.started() == before
    assert {visitor for visitor, _ in crowd.visits()} == {
        *(f"running-{n}" for n in range(8)),
        *(f"waiting-{n}" for n in range(20)),
    }
