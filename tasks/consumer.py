"""What a worker does with a message that is no job of ours.

Celery logs the whole message, with whatever query string is in it, and gives most such
messages no result: who sent one waits for ever.
"""

import logging
from typing import Any

import structlog
from celery.app.task import Context
from celery.worker.consumer import Consumer as CeleryConsumer

from limpet.errors import InvalidJob

log = structlog.get_logger(__name__)


class Consumer(CeleryConsumer):
    """Celery's consumer, which refuses with a failed result and tells no arguments."""

    connection_errors: Any
    event_dispatcher: Any

    def on_unknown_message(self, _body: Any, message: Any) -> None:
        self._refuse(message, "this is no message of a task")

    def on_unknown_task(self, _body: Any, message: Any, _exc: Exception) -> None:
        ours = sorted(name for name in self.app.tasks if not name.startswith("celery."))
        self._refuse(message, f"there is no such task (allowed: {', '.join(ours)})")

    def on_invalid_task(self, _body: Any, message: Any, _exc: Exception) -> None:
        self._refuse(message, "the message must be JSON, as Celery writes it")

    def on_decode_error(self, message: Any, _exc: Exception) -> None:
        self._refuse(message, "the message must be JSON, as Celery writes it")

    def _refuse(self, message: Any, reason: str) -> None:
        headers = message.headers if isinstance(message.headers, dict) else {}
        task_id, name = headers.get("id"), headers.get("task")
        if not task_id:
            task_id, name = _first_protocol(message)
        log.warning(
            "message_refused",
            task_id=task_id,
            task=name,
            reason=reason,
            type=message.content_type,
            bytes=len(message.body or ""),
        )
        message.reject_log_error(logging.getLogger(__name__), self.connection_errors)
        if not isinstance(task_id, str):
            return
        error = InvalidJob(f"{name}: {reason}")
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


def _first_protocol(message: Any) -> tuple[Any, Any]:
    """Read id and name where Celery 3 had them."""
    try:
        return message.payload["id"], message.payload["task"]
    except Exception:  # noqa: BLE001 - whatever was sent
        return None, None
