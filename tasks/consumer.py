"""What a worker does with a message that is no job of ours.

Celery logs the whole message, with whatever query string is in it, and gives most such
messages no result: who sent one waits for ever. Some it takes for a lost connection,
and takes them again and again.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import structlog
from celery.app.task import Context
from celery.concurrency.base import BasePool
from celery.worker.consumer import Consumer as CeleryConsumer

from limpet.dead import Reason
from limpet.errors import InvalidJob
from tasks import interruption
from tasks.burial import bury, content_id, readable
from tasks.quorum import queue_of

#: Longest id that a result is written for: it becomes a key.
_ID_MAX: Final = 255
#: Seconds that an event may wait: nobody who looks at Flower sees it.
_EVENTS: Final = 0.25
#: Seconds at most between two attempts to reach the broker.
_AGAIN: Final = 4
#: Events of one message.
_EVENTS_MOST: Final = 250
_NO_JSON: Final = "the message must be JSON, as Celery writes it"

log = structlog.get_logger(__name__)


class Consumer(CeleryConsumer):
    """Celery's consumer, which refuses with a failed result and tells no arguments."""

    _flush_events: Callable[[], None]
    _events_timer: Any = None
    connection_errors: Any
    event_dispatcher: Any
    pool: Any

    def register_with_event_loop(self, hub: Any) -> None:
        super().register_with_event_loop(hub)
        # The loop begins anew with each connection, its timers go on.
        if self._events_timer:
            self._events_timer.cancel()
        self._events_timer = hub.call_repeatedly(_EVENTS, self._flush_events)
        if self.event_dispatcher:
            self.event_dispatcher.buffer_limit = _EVENTS_MOST

    def ensure_connected(self, conn: Any) -> Any:
        """Go on trying every few seconds, for however long the broker is away.

        Celery would wait two seconds more each time, up to 30.
        """
        conn.ensure_connection = partial(conn.ensure_connection, interval_max=_AGAIN)
        return super().ensure_connected(conn)

    def on_send_event_buffered(self) -> Any:
        """Let events wait for others: each message of its own costs as much as a page.

        They go out every now and then, and whenever there are many.
        """

    def on_ready(self) -> None:
        if not self._kills:
            # It would be slept through, and nothing killed afterwards.
            self.app.conf.worker_soft_shutdown_timeout = 0
        super().on_ready()

    @property
    def _kills(self) -> bool:
        kind: Any = type(self.pool)
        return kind.terminate_job is not BasePool.terminate_job

    def stop(self) -> None:
        """End with the worker: jobs that take long go on in another one."""
        interruption.leave()
        super().stop()

    def cancel_active_requests(self) -> None:
        """Kill what runs, if the pool can do that; a thread is waited for."""
        interruption.leave()
        if self._kills:
            super().cancel_active_requests()

    def shutdown(self) -> None:
        with suppress(*self.connection_errors):
            self._flush_events()
        super().shutdown()

    def on_unknown_message(self, _body: Any, message: Any) -> None:
        self._refuse(message, Reason.MALFORMED, "this is no message of a task")

    def on_unknown_task(self, _body: Any, message: Any, _exc: Exception) -> None:
        ours = sorted(name for name in self.app.tasks if not name.startswith("celery."))
        why = f"there is no such task (allowed: {', '.join(ours)})"
        self._refuse(message, Reason.UNKNOWN, why)

    def on_invalid_task(self, _body: Any, message: Any, _exc: Exception) -> None:
        self._refuse(message, Reason.REJECTED, _NO_JSON)

    def on_decode_error(self, message: Any, _exc: Exception) -> None:
        self._refuse(message, Reason.MALFORMED, _NO_JSON)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return Celery's handler, which a message cannot make raise any more."""
        handle = super().create_task_handler(*args, **kwargs)

        def safe(message: Any) -> None:
            try:
                handle(message)
            except Exception as error:
                # To kombu a KeyError is a lost connection too.
                lost = isinstance(error, self.connection_errors)
                if lost and not isinstance(error, KeyError):
                    raise
                self._refuse(message, Reason.MALFORMED, _NO_JSON)

        return safe

    def _refuse(self, message: Any, reason: Reason, why: str) -> None:
        headers = message.headers if isinstance(message.headers, dict) else {}
        task_id, name = headers.get("id"), headers.get("task")
        if not task_id:
            task_id, name = _first_protocol(message)
        known = isinstance(task_id, str) and 0 < len(task_id) <= _ID_MAX
        body = message.body or ""
        raw = body if isinstance(body, bytes) else str(body).encode("utf-8", "replace")
        identity = str(task_id) if known else content_id(raw)
        log.warning(
            "message_refused",
            task_id=identity,
            task=str(name)[:_ID_MAX],
            reason=why,
            type=message.content_type,
            bytes=len(raw),
        )
        bury(
            readable(body, message.properties.get("priority")),
            id=identity,
            task=str(name or ""),
            queue=_queue(message),
            reason=reason,
            error=why,
        )
        if known:
            self._fail(message, identity, str(name), why)
        # Last: a worker that dies before has not done it, and the next one does.
        message.reject_log_error(logging.getLogger(__name__), self.connection_errors)

    def _fail(self, message: Any, task_id: str, name: str, why: str) -> None:
        error = InvalidJob(f"{name[:_ID_MAX]}: {why}")
        request = Context(
            id=task_id,
            task=name,
            reply_to=message.properties.get("reply_to"),
            correlation_id=message.properties.get("correlation_id"),
        )
        self.app.backend.mark_as_failure(task_id, error, request=request)
        if self.event_dispatcher:
            self.event_dispatcher.send(
                "task-failed", uuid=task_id, exception=repr(error)
            )


def _queue(message: Any) -> str:
    taken_from = getattr(message, "taken_from", None)
    return str(taken_from or queue_of(message.delivery_info))


def _first_protocol(message: Any) -> tuple[Any, Any]:
    """Read id and name where Celery 3 had them."""
    try:
        return message.payload["id"], message.payload["task"]
    except Exception:  # noqa: BLE001 - whatever was sent
        return None, None
