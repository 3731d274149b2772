"""With the stock transport, jobs that our own has put away go on all the same.

Whoever goes back to it may leave messages that wait (`tasks.transport.later`), and no
worker that would look for them. Those that are due are put on their lists.
"""

import json
from typing import Any, Final

import structlog
from celery import bootsteps
from kombu.transport import redis as stock

from limpet.scripts import Script
from tasks.transport import Channel
from tasks.transport.keyed import client_of, times_key, waiting_key

_FORWARD: Final = Script("tasks", "forward")
#: Seconds between two looks, and messages that one of them moves.
_LOOK: Final = 2.0
_MOST: Final = 200

log = structlog.get_logger(__name__)


class Forwarding(bootsteps.StartStopStep):
    """A look now and then, by the worker's own loop."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._timer: Any = None

    def include_if(self, consumer: Any) -> bool:
        """Only kombu's transport for Redis leaves them where they are."""
        # RabbitMQ's has no such thing.
        transport = consumer.app.connection_for_read().get_transport_cls()
        kind = getattr(transport, "Channel", object)
        return issubclass(kind, stock.Channel) and not issubclass(kind, Channel)

    def start(self, consumer: Any) -> None:
        """Begin, with each connection anew."""
        self.stop(consumer)
        self._timer = consumer.timer.call_repeatedly(_LOOK, self._look, (consumer,))

    def stop(self, _consumer: Any) -> None:
        """End with the connection."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, consumer: Any) -> None:
        channel = consumer.connection.default_channel
        try:
            moved = sum(
                forward(channel, queue)
                for queue in consumer.app.amqp.queues.consume_from
            )
        except channel.connection_errors as error:
            log.warning("not_forwarded", reason=type(error).__name__)
            return
        if moved:
            log.info("messages_forwarded", count=moved)


def forward(channel: Any, queue: str) -> int:
    """Put what is due of *queue* on its lists; return how many messages."""
    client = client_of(channel)
    waiting, times = waiting_key(channel), times_key(channel, queue)
    seconds, micros = client.time()
    due = client.zrangebyscore(times, "-inf", f"{seconds}.{micros:06}", 0, _MOST)
    if not due:
        return 0
    texts = client.hmget(waiting, due)
    lists = [_list(channel, queue, text) for text in texts]
    moved: Any = _FORWARD(client, [waiting, times, *lists], due)
    return int(moved)


def _list(channel: Any, queue: str, text: bytes | None) -> str:
    message = json.loads(text) if text else {}
    priority = channel._get_message_priority(message, reverse=False)  # noqa: SLF001 - as kombu's _put
    return f"{channel.global_keyprefix}{channel._q_for_pri(queue, priority)}"  # noqa: SLF001 - as above
