"""What RabbitMQ's queues are, and where its messages come from."""

import pytest

from limpet.names import QUEUES
from limpet.settings import Settings
from tasks.options import options
from tasks.quorum import queue_of


def _options(broker: str) -> dict[str, object]:
    return options(Settings.model_validate({"CELERY_BROKER_URL": broker}))


def test_all_queues_of_rabbitmq_are_quorum_queues() -> None:
    found = _options("amqp://me:pw@h//")

    queues = found["task_queues"]
    assert isinstance(queues, list)
    assert {queue.name for queue in queues} == set(QUEUES)
    assert {queue.queue_arguments["x-queue-type"] for queue in queues} == {"quorum"}
    # What is for later does not work with direct ones.
    assert {queue.exchange.type for queue in queues} == {"topic"}


def test_queues_of_redis_have_no_kind() -> None:
    found = _options("redis://h/0")

    assert "task_default_queue_type" not in found
    queues = found["task_queues"]
    assert isinstance(queues, list)
    assert all(not queue.queue_arguments for queue in queues)


@pytest.mark.parametrize(
    ("delivery", "queue"),
    [
        ({"exchange": "", "routing_key": "scrape"}, "scrape"),
        ({"exchange": "limpet", "routing_key": "upkeep"}, "upkeep"),
        # 28 digits say for how long it was to wait.
        ({"routing_key": ".".join("0" * 27 + "1") + ".webhooks"}, "webhooks"),
        ({"routing_key": None}, ""),
        (None, ""),
    ],
)
def test_a_message_tells_which_queue_it_was_for(
    delivery: dict[str, object] | None, queue: str
) -> None:
    assert queue_of(delivery) == queue
