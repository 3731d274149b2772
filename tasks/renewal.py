"""Telling the broker that jobs are still being worked on.

With Redis a message that was taken is given to somebody else after the visibility
timeout. That time need not be longer than the longest job, or the longest countdown: as
long as this worker lives, it says so three times within it.
"""

import threading
from collections.abc import Collection
from contextlib import suppress
from typing import Any, Final

import structlog
from celery import bootsteps
from celery.worker import state

from tasks.transport.channel import Channel
from tasks.transport.qos import QoS

#: `celery.bootsteps.RUN`, which its types do not have.
_RUN: Final = 1
#: How often within the visibility timeout: two may fail before anything is lost.
_TIMES: Final = 3
#: Seconds until another attempt when one failed, if it is not due sooner.
_AGAIN: Final = 1.0
#: Tags that one call renews: a script must not keep Redis busy.
_CHUNK: Final = 500

log = structlog.get_logger(__name__)


class Renewal(bootsteps.StartStopStep):
    """A thread beside the worker's loop, which may be busy or waiting for a last job.

    It lives as long as the process: a worker that shuts down still has jobs to finish.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._consumer = consumer
        self._thread: threading.Thread | None = None

    def include_if(self, consumer: Any) -> bool:
        """Only our transport has messages that can be renewed."""
        return issubclass(_channel_class(consumer), Channel)

    def start(self, consumer: Any) -> None:
        """Begin; after a reconnect it goes on."""
        QoS.working = staticmethod(self._working)
        if self._thread is None:
            timeout = _visibility(consumer)
            work = threading.Thread(
                target=self._run, args=(timeout / _TIMES,), name="renewal", daemon=True
            )
            self._thread = work
            work.start()

    def _working(self) -> Collection[str]:
        """Return the tags that the pool goes on with when the connection is lost."""
        if self._consumer.blueprint.state != _RUN:
            return ()  # the pool has stopped: what is left is given back
        # A pool of threads runs all that it was given; one of processes forgets what no
        # child has begun.
        forgets = self._consumer.pool._pool is not None  # noqa: SLF001 - billiard's
        jobs = state.active_requests if forgets else state.reserved_requests
        return _tags(jobs)

    def _held(self) -> list[str]:
        # Not all that the channel holds: what Celery lost track of has to come back.
        limited = [
            request
            for bucket in list(self._consumer.task_buckets.values())
            for request, _ in (list(bucket.contents) if bucket else ())
        ]
        jobs: Any = state  # its types do not have them all
        known = (jobs.reserved_requests, jobs.active_requests, jobs.scheduled_requests)
        return sorted(set().union(*map(_tags, (*known, limited))))

    def _run(self, interval: float) -> None:
        connection = None
        rest = threading.Event()  # nobody sets it: a sleep
        wait = interval
        while not rest.wait(wait):
            wait = interval
            try:
                held = self._held()
                connection = connection or self._consumer.app.connection_for_write()
                for start in range(0, len(held), _CHUNK):
                    connection.default_channel.renew(held[start : start + _CHUNK])
            except Exception as error:  # noqa: BLE001 - the next attempt is all we can do
                log.warning("not_renewed", reason=type(error).__name__)
                with suppress(Exception):
                    connection.release()  # type: ignore[union-attr] # None is suppressed too
                connection = None
                wait = min(interval, _AGAIN)


def _tags(jobs: Any) -> Collection[str]:
    while True:
        try:
            return {
                job.message.delivery_tag
                for job in list(jobs)
                if not job.acknowledged and job.message is not None
            }
        except RuntimeError:  # pragma: no cover - the set changed while it was read
            continue


def _channel_class(consumer: Any) -> type:
    made: type = consumer.app.connection_for_read().get_transport_cls().Channel
    return made


def _visibility(consumer: Any) -> float:
    options = consumer.app.conf.broker_transport_options
    return float(options.get("visibility_timeout", Channel.visibility_timeout))
