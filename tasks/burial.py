"""Which jobs become dead letters: all that end without success and will not run again.

Upkeep does not: beat sends it anew by itself.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import structlog
from celery.exceptions import Reject, WorkerLostError
from celery.signals import task_failure

from limpet.dead import DeadLetters, Letter, Reason
from limpet.errors import ConfigurationError, InvalidJob, JobError, StoreUnavailable
from limpet.names import UPKEEP_QUEUE
from limpet.sealing import Sealer
from limpet.settings import settings
from tasks.blame import unexpected
from tasks.quorum import queue_of

#: Where Celery keeps the tasks that follow one.
FOLLOWS: Final = ("callbacks", "errbacks", "chain")
#: Why a job is given up of which workers die.
LOST: Final = "its process died, again and again"
_KINDS: Final[tuple[tuple[type[BaseException], Reason, str], ...]] = (
    (InvalidJob, Reason.INVALID, ""),
    (JobError, Reason.FAILED, ""),
    (Reject, Reason.REJECTED, "the task rejected it"),
    (WorkerLostError, Reason.LOST, LOST),
)

log = structlog.get_logger(__name__)


def bury(
    payload: Mapping[str, Any], *, reason: Reason, error: str, **names: str
) -> None:
    """Keep a job for good; *names* are its ``id``, ``task`` and ``queue``.

    Does not raise: where it is called nobody could do anything about it.
    """
    config = settings()
    try:
        letter = Letter.seal(
            Sealer.of(config), payload, reason=reason, error=error, **names
        )
        DeadLetters(config).bury(letter)
    except (StoreUnavailable, ConfigurationError) as problem:
        log.error("dead_letter_lost", **names, reason=str(problem))  # noqa: TRY400 - no stack
    else:
        log.warning("dead_letter", **names, reason=reason.value)


def content_id(text: bytes) -> str:
    """Name a message that has no id by what is in it."""
    return f"message-{hashlib.sha256(text).hexdigest()[:32]}"


@task_failure.connect
def bury_failed(
    sender: Any, task_id: str, exception: BaseException, **signal: Any
) -> None:
    """Keep a job that failed for good."""
    info = sender.request.delivery_info or {}
    queue = queue_of(info)
    if queue == UPKEEP_QUEUE:
        return
    reason, error = _why(exception)
    follows = {name: getattr(sender.request, name, None) for name in FOLLOWS}
    bury(
        job(signal.get("args"), signal.get("kwargs"), info.get("priority"), follows),
        id=str(task_id),
        task=str(sender.name),
        queue=queue,
        reason=reason,
        error=error,
    )


def bury_expired(request: Any, follows: object) -> None:
    """Keep a job that was not begun before it expired; *follows* is as in `job`."""
    info = request.delivery_info or {}
    queue = queue_of(info)
    if queue == UPKEEP_QUEUE:
        return
    bury(
        job(request.args, request.kwargs, info.get("priority"), follows),
        id=str(request.id),
        task=str(request.name),
        queue=queue,
        reason=Reason.EXPIRED,
        error="it expired before a worker began with it",
    )


def _why(error: BaseException) -> tuple[Reason, str]:
    for kind, reason, text in _KINDS:
        if isinstance(error, kind):
            return reason, text or str(error)
    # Whatever else it says may be a secret.
    return Reason.FAILED, f"unexpected error: {unexpected(error)}"


def job(
    args: Any, kwargs: Any, priority: object, follows: object = None
) -> dict[str, Any]:
    """Return what a job has that is sent again as it was.

    *follows* is the last part of its message: the tasks that are to follow it. A chord
    that it was part of is over.
    """
    told = follows if isinstance(follows, dict) else {}
    kept = {name: told[name] for name in FOLLOWS if isinstance(told.get(name), list)}
    return {
        "args": args,
        "kwargs": kwargs,
        "priority": _number(priority),
        **({"follows": kept} if any(kept.values()) else {}),
    }


def _number(priority: object) -> int | None:
    return priority if isinstance(priority, int) and priority in range(10) else None


def readable(body: Any, priority: object = None) -> dict[str, Any]:
    """Return a message's body as a payload: its arguments, or else its text."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    if isinstance(text, str):
        try:
            found = json.loads(text)
        except ValueError:
            return {"raw": text}
    else:
        found = text
    if isinstance(found, list) and len(found) == 3:  # noqa: PLR2004 - protocol 2
        args, kwargs, follows = found
        if isinstance(args, list) and isinstance(kwargs, dict):
            return job(args, kwargs, priority, follows)
    if isinstance(found, dict) and isinstance(found.get("kwargs", {}), dict):
        return job(found.get("args") or [], found.get("kwargs") or {}, priority)
    return {"raw": json.dumps(found, default=str)}
