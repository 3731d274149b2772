"""All that workers tell whoever listens."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from celery import Celery


@contextmanager
def listening(app: Celery) -> Iterator[list[dict[str, Any]]]:
    """Collect events; begins once the broker has been asked for them."""
    events: list[dict[str, Any]] = []
    over, ready = threading.Event(), threading.Event()

    def listen() -> None:
        with app.connection() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": events.append})
            with receiver.consumer_context(wakeup=False) as (held, _, _):
                ready.set()
                while not over.is_set():
                    with suppress(TimeoutError):
                        held.drain_events(timeout=0.2)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        assert ready.wait(20)
        yield events
    finally:
        over.set()
        thread.join()
