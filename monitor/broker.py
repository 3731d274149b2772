"""The broker as Flower's process asks it: one connection, which is kept."""

import threading
from typing import Any, Final

from celery import Celery
from kombu.exceptions import OperationalError

from health.broker import connected, impatient, lengths
from limpet.errors import StoreUnavailable
from limpet.names import UPKEEP_QUEUE

#: Seconds after which nobody needs any more what was asked for.
_EXPIRES: Final = 60


class Queues:
    """Asks how many messages wait, again and again: to dial each time costs most of it.

    A connection that fails is dropped, and the next question dials anew.
    """

    def __init__(self, app: Celery, timeout: float) -> None:
        """*timeout* is in seconds, for each step."""
        self._app = app
        self._timeout = timeout
        self._lock = threading.Lock()
        self._connection: Any = None

    def __call__(self) -> dict[str, int]:
        """Return how many messages wait in each queue.

        Raises:
            StoreUnavailable: the broker did not answer.
        """
        with self._lock:
            held = self._connection or impatient(self._app, self._timeout)
            self._connection = held
            try:
                if not held.connected:
                    held.ensure_connection(
                        max_retries=1, interval_start=0.05, timeout=self._timeout
                    )
                return lengths(held)
            except (OperationalError, *held.connection_errors, *held.channel_errors):
                self._connection = None
                held.collect(self._timeout)
                # Its text has the address, which may have a password.
                raise StoreUnavailable("cannot reach the broker") from None


def send(app: Celery, timeout: float, task: str, **arguments: str) -> None:
    """Have a worker do some upkeep soon, or not at all.

    *timeout* is in seconds, for each step.

    Raises:
        StoreUnavailable: the broker is away.
    """
    with connected(app, timeout) as connection:
        app.send_task(
            task,
            kwargs=arguments,
            queue=UPKEEP_QUEUE,
            ignore_result=True,
            expires=_EXPIRES,
            retry=False,
            connection=connection,
        )
