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
#: Seconds between two times at most: stock workers that sweep the same broker need to
#: hear of us within their own visibility timeout, an hour by default.
_SELDOM: Final = 300.0
#: How often within the visibility timeout: two may fail before anything is lost.
_TIMES: Final = 3
#: Seconds until another attempt when one failed, if it is not due sooner.
_AGAIN: Final = 1.0
#: Tags that one call renews: a script must not keep Redis busy.
_CHUNK: Final = 500

#: Tags of jobs of which the broker was told that they have not begun.
_told_idle: set[str] = set()

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
            interval = min(timeout / _TIMES, _SELDOM)
            work = threading.Thread(
                target=self._run, args=(interval,), name="renewal", daemon=True
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

    def _idle(self) -> list[str]:
        """Return the tags of what is held and has not begun."""
        # Not all that the channel holds: what Celery lost track of has to come back.
        limited = [
            request
            for bucket in list(self._consumer.task_buckets.values())
            for request, _ in (list(bucket.contents) if bucket else ())
        ]
        jobs: Any = state  # its types do not have them all
        every = (jobs.reserved_requests, jobs.scheduled_requests, limited)
        return sorted(set().union(*map(_tags, every)) - set(_running()))

    def _run(self, interval: float) -> None:
        connection = None
        rest = threading.Event()  # nobody sets it: a sleep
        wait = interval
        while not rest.wait(wait):
            wait = interval
            try:
                idle = self._idle()
                connection = connection or self._consumer.app.connection_for_write()
                _tell(connection.default_channel, idle)
            except Exception as error:  # noqa: BLE001 - the next attempt is all we can do
                log.warning("not_renewed", reason=type(error).__name__)
                with suppress(Exception):
                    connection.release()  # type: ignore[union-attr] # None is suppressed too
                connection = None
                wait = min(interval, _AGAIN)


def _tell(channel: Any, idle: list[str]) -> None:
    _told_idle.update(idle)
    for start in range(0, len(idle), _CHUNK):
        channel.renew([], idle[start : start + _CHUNK])
    # Only now: one that has begun meanwhile is among them, or says so itself.
    running = _running()
    for start in range(0, len(running), _CHUNK):
        channel.renew(running[start : start + _CHUNK])
    _told_idle.intersection_update(idle)


def begin(message: Any) -> None:
    """Say that a job begins, if the broker was told that it had not.

    Else a worker that dies of it would not be counted.
    """
    tag = message.delivery_tag
    if tag in _told_idle:
        _told_idle.discard(tag)
        with suppress(Exception):
            message.channel.renew([tag])


def _running() -> list[str]:
    return sorted(_tags(state.active_requests))


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
    # RabbitMQ's transport has no such thing.
    transport = consumer.app.connection_for_read().get_transport_cls()
    made: type = getattr(transport, "Channel", object)
    return made


def _visibility(consumer: Any) -> float:
    options = consumer.app.conf.broker_transport_options
    return float(options.get("visibility_timeout", Channel.visibility_timeout))
