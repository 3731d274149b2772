"""The queues of RabbitMQ: quorum queues, which are on several nodes.

What is for later waits in RabbitMQ itself, in queues of Celery's whose messages come
back when they are due. That works with topic exchanges only, so ours is one; and such a
message comes with its way in front of the queue's name.
"""

from collections.abc import Mapping
from typing import Any, Final

from kombu import Exchange, Queue

from limpet.names import QUEUES

_ARGUMENTS: Final = {"x-queue-type": "quorum"}


def queues() -> list[Queue]:
    """Return all queues. Plain senders go by their names, through no exchange."""
    exchange = Exchange("limpet", type="topic")
    return [
        Queue(name, exchange, routing_key=name, queue_arguments=_ARGUMENTS)
        for name in QUEUES
    ]


def queue_of(delivery: Mapping[str, Any] | None) -> str:
    """Return the queue that a message was for, "" if it does not say."""
    return str((delivery or {}).get("routing_key") or "").rpartition(".")[2]
