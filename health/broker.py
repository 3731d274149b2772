"""What the broker has to say: whether it answers, who takes from it, what waits."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from celery import Celery
from kombu.exceptions import ChannelError, OperationalError

from limpet.errors import StoreUnavailable
from limpet.names import INBOX_QUEUE, QUEUES

#: Seconds that workers have to answer in, all of which it takes: a broadcast has no
#: last answer.
_PING: Final = 1.0


def queue_lengths(app: Celery, timeout: float) -> dict[str, int]:
    """Return how many messages wait in each queue; *timeout* is in seconds, for a step.

    Raises:
        StoreUnavailable: the broker did not answer.
    """
    with connected(app, timeout) as connection:
        return lengths(connection)


def lengths(connection: Any) -> dict[str, int]:
    """Return how many messages wait in each queue, asking over *connection*."""
    channel = connection.default_channel
    if hasattr(channel, "sizes"):  # our transport: all in one trip
        sizes: dict[str, int] = channel.sizes(QUEUES)
        return sizes
    found = dict.fromkeys(QUEUES, 0)
    for name in QUEUES:
        # RabbitMQ closes the channel that asks for a queue which is not there.
        if not getattr(channel, "is_open", True):
            channel = connection.channel()
        with suppress(ChannelError, *connection.channel_errors):
            told = channel.queue_declare(queue=name, passive=True)
            found[name] = int(told.message_count)
    return found


def workers(app: Celery, timeout: float) -> int:
    """Return how many workers answer within a second, or half of *timeout* if less.

    Raises:
        StoreUnavailable: the broker did not answer.
    """
    with connected(app, timeout) as connection:
        ping: Any = app.control.ping
        return len(ping(timeout=min(_PING, timeout / 2), connection=connection))


def takers(app: Celery, timeout: float) -> list[str]:
    """Return the names of those workers that take from queues of ours.

    They have *timeout* seconds to answer in; who is on the same broker for another
    program is not meant.

    Raises:
        StoreUnavailable: the broker did not answer.
    """
    with connected(app, timeout) as connection:
        asked = app.control.inspect(timeout=timeout, connection=connection)
        found: dict[str, Any] = asked.active_queues() or {}
    ours = {*QUEUES} - {INBOX_QUEUE}
    return sorted(
        name for name, queues in found.items() if ours & {one["name"] for one in queues}
    )


@contextmanager
def connected(app: Celery, timeout: float) -> Iterator[Any]:
    connection = impatient(app, timeout)
    try:
        with connection:
            connection.ensure_connection(
                max_retries=1, interval_start=0.05, timeout=timeout
            )
            yield connection
    except (OperationalError, *connection.connection_errors):
        # Its text has the address, which may have a password.
        raise StoreUnavailable("cannot reach the broker") from None


def impatient(app: Celery, timeout: float) -> Any:
    """Return a connection of one's own: those of the app are patient, and in use."""
    connection: Any = app.connection_for_write(connect_timeout=timeout)
    connection.transport_options = {
        **connection.transport_options,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "max_retries": 0,
    }
    return connection
