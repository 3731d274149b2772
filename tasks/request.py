"""What a worker tells the world about a job that it holds.

Events, `inspect` and so Flower get the arguments as the producer wrote them, or as they
are. A query string may be a secret: only what is known to be none is shown.
"""

from itertools import chain
from typing import Any, Final, Literal

from celery.exceptions import InvalidTaskError
from celery.worker.request import Request as CeleryRequest
from celery.worker.state import revoked

from limpet import showing
from limpet.names import TASKS
from limpet.settings import settings
from tasks import renewal
from tasks.burial import LOST, bury_expired
from tasks.transport.qos import LOSSES

#: What a message may say where; None: it need not.
_NOTHING: Final = type(None)
_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "id": (str,),
    "args": (list, tuple),
    "kwargs": (dict,),
    "retries": (int, _NOTHING),
    "root_id": (str, _NOTHING),
    "parent_id": (str, _NOTHING),
    "group": (str, _NOTHING),
    "chord": (str, dict, _NOTHING),
    "headers": (dict, _NOTHING),
    "shadow": (str, _NOTHING),
}
#: What a task that follows has, as Celery writes it.
_SIGNATURE: Final[dict[str, tuple[type, ...]]] = {
    "task": (str,),
    "args": (list,),
    "kwargs": (dict,),
    "options": (dict,),
}
#: Soft and hard limit.
_PAIR: Final = 2


class Request(CeleryRequest):
    """Celery's record of a received message, silent about what may be secret."""

    _context: Any
    _request_dict: Any
    _payload: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _check(self._request_dict, self._payload[2])
        self._argsrepr = "()" if not self.args else "(…)"
        self._kwargsrepr = showing.arguments(
            self.kwargs, settings(), ours=self.task_name in TASKS
        )
        self.request_dict.update(argsrepr=self._argsrepr, kwargsrepr=self._kwargsrepr)

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002 - Celery's
        """Tell whoever watches, without what a result or an exception may hold."""
        shown = showing.event(fields, settings(), ours=self.task_name in TASKS)
        super().send_event(type, **shown)

    def on_accepted(self, pid: Any, time_accepted: Any) -> None:
        """Note that the job begins; with threads it has not, until this is done."""
        super().on_accepted(pid, time_accepted)
        renewal.begin(self.message)

    def _retry_worker_lost(self, exc: Any, exc_info: Any) -> bool:
        """Send a job anew whose process died, unless too many have.

        Returns whether that was done; if not, the job has failed.
        """
        headers = dict(self._context.headers or {})
        held = headers.get(LOSSES)
        losses = held + 1 if isinstance(held, int) else 1
        if losses > settings().job_max_losses:
            self._tell_dropped(LOST)
            return False
        self._context.headers = {**headers, LOSSES: losses}
        if super()._retry_worker_lost(exc, exc_info):  # type: ignore[misc] # it is there
            return True
        # It could not be sent: the message that we have goes back instead.
        self.reject(requeue=True)
        return True

    def _announce_revoked(
        self, reason: str, terminated: Any, signum: Any, expired: Any
    ) -> None:
        """Tell of a job that is dropped, before its message is."""
        if expired:
            bury_expired(self, self._payload[2])
        self._tell_dropped("it has expired" if expired else "cancelled")
        tell: Any = super()
        tell._announce_revoked(reason, terminated, signum, expired)  # noqa: SLF001 - ours

    def _tell_dropped(self, reason: str) -> None:
        if dropped := getattr(self.task, "dropped", None):
            dropped(self, reason=reason, headers=self._context.headers)

    def maybe_expire(self) -> Literal[True] | None:
        """Say whether the job has expired; the same one may be sent again later."""
        known = self.id in revoked
        expired = super().maybe_expire()
        if not known:
            revoked.discard(self.id)
        return expired

    def info(self, safe: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002 - Celery's
        """Return what `inspect` shows; never the arguments as they are."""
        return super().info(safe=True)


def _check(told: dict[str, Any], follows: Any) -> None:
    """Refuse what Celery would stumble over later, where it is no clear error."""
    limits = told.get("timelimit")
    wrong = _odd(told, _KINDS)
    if limits is not None and not (isinstance(limits, list) and len(limits) == _PAIR):
        wrong.append("timelimit")
    if not told.get("id"):
        wrong.append("id")
    if wrong or not _may_follow(follows):
        raise InvalidTaskError(", ".join(wrong) or "embed")


def _may_follow(told: Any) -> bool:
    """Whether *told*, the last part of a message, says which tasks are to follow."""
    if told is None:
        return True
    if not isinstance(told, dict):
        return False
    more = dict(told)
    lists = [more.pop(name, None) or [] for name in ("callbacks", "errbacks", "chain")]
    chord = more.pop("chord", None)
    if more or not all(isinstance(one, list) for one in lists):
        return False
    tasks = [*chain.from_iterable(lists), *([] if chord is None else [chord])]
    return not any(_odd(one, _SIGNATURE) for one in tasks)


def _odd(told: Any, kinds: dict[str, tuple[type, ...]]) -> list[str]:
    """Name what is of another kind than it has to be."""
    if not isinstance(told, dict):
        return list(kinds)
    return [
        name for name, kind in kinds.items() if not isinstance(told.get(name), kind)
    ]
