"""Jobs that wait and are cancelled are dropped now, not when they would be due."""

from collections.abc import Iterable
from typing import Any, Final

import structlog
from celery.worker import control

from tasks.transport import Channel

_revoke: Final[Any] = control.revoke  # type: ignore[attr-defined] # it has one

log = structlog.get_logger(__name__)


@control.control_command(
    name="revoke", variadic="task_id", signature="[id1 [id2 [... [idN]]]]"
)
def revoke(
    state: Any, task_id: str | Iterable[str], *args: Any, **kwargs: Any
) -> dict[str, Any]:
    """Revoke task by task id (or list of ids)."""
    ids = [task_id] if isinstance(task_id, str) else list(task_id or ())
    reply: dict[str, Any] = _revoke(state, ids, *args, **kwargs)
    consumer = getattr(state.consumer, "task_consumer", None)
    channel = getattr(consumer, "channel", None)
    if isinstance(channel, Channel):
        try:
            channel.recall(ids)
        except channel.connection_errors as error:
            # It is dropped when it is due.
            log.warning("not_recalled", jobs=len(ids), reason=type(error).__name__)
    return reply
