"""Results in Redis as Celery has them, written in one trip instead of two.

Celery reads what it is about to overwrite, so that a success stays; here the server
looks. Keys and values are Celery's own: whoever reads results needs none of this.
"""

import threading
from collections.abc import Callable
from typing import Any, Final

import structlog
from celery import states
from celery.backends.redis import RedisBackend
from celery.exceptions import BackendStoreError

from limpet.connection import STORE_ERRORS
from limpet.scripts import Script
from tasks.blame import unexpected

_RESULT: Final = Script("tasks", "result")
#: Begins the JSON of a result: the status is what Celery writes first.
_BEGIN: Final = '{{"status": "{}"'
#: What stays. A job that was taken for lost must not overwrite what it has done.
_DONE: Final = (_BEGIN.format(states.SUCCESS),)
#: What stays when a job is said to be tried again: it was sent anew before, so that may
#: have been cancelled meanwhile, or have failed.
_OVER: Final = tuple(map(_BEGIN.format, sorted(states.READY_STATES)))
#: Seconds after which a job that still runs is said to have started. Most have ended by
#: then, and to say so costs them a twentieth of their time.
_SOON: Final = 0.25

log = structlog.get_logger(__name__)


class _Begun:
    """Jobs that have started, and are to be told of if they go on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, Callable[[], object]] = {}
        self._timer: threading.Timer | None = None

    def add(self, task_id: str, tell: Callable[[], object]) -> None:
        with self._lock:
            self._waiting[task_id] = tell
            if self._timer is None:
                self._timer = threading.Timer(_SOON, self._tell)
                self._timer.daemon = True
                self._timer.start()

    def remove(self, task_id: str) -> None:
        """Let what comes next be the last word on the job."""
        with self._lock:
            self._waiting.pop(task_id, None)

    def _tell(self) -> None:
        with self._lock:
            told, self._waiting = self._waiting, {}
            self._timer = None
            try:
                for tell in told.values():
                    tell()
            except STORE_ERRORS as error:
                # It is for who looks; what became of the job is written with retries.
                log.warning("start_not_shown", reason=type(error).__name__)


#: Celery has a backend for each thread.
_BEGUN: Final = _Begun()


def passed_on(task_id: str) -> None:
    """Say no more that a job has started: it is about to be sent anew."""
    _BEGUN.remove(task_id)


class Results(RedisBackend):
    """The backend of ``redis://`` and ``rediss://`` URLs."""

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: Any = None,
        request: Any = None,
        **_more: Any,
    ) -> Any:
        def write() -> None:
            value = self._written(task_id, result, state, traceback, request)
            failed = state == states.FAILURE
            keep = self.failure_expires if failed else self.expires  # type: ignore[attr-defined] # of celery-types
            given = (self.client, [self.get_key_for_task(task_id)])
            stay = _OVER if state == states.RETRY else _DONE
            arguments = [value, keep or 0, *stay]
            try:
                _RESULT(*given, arguments)
            except self.connection_errors:  # type: ignore[attr-defined] # of celery-types
                self.ensure(_RESULT, (*given, arguments))

        if state == states.STARTED:
            _BEGUN.add(task_id, write)
        else:
            _BEGUN.remove(task_id)
            write()
        return result

    def _call_task_errbacks(self, request: Any, exc: Any, traceback: Any) -> None:
        """Have what is to follow a failure follow it, where that can be sent."""
        try:
            super()._call_task_errbacks(request, exc, traceback)  # type: ignore[misc] # celery-types lacks it
        except Exception as error:  # noqa: BLE001 - the job has failed all the same
            log.warning(
                "errback_not_sent", task_id=request.id, reason=unexpected(error)
            )

    def _written(
        self, task_id: str, result: Any, state: str, traceback: Any, request: Any
    ) -> Any:
        # celery-types knows little of what a backend has.
        meta = self._get_result_meta(  # type: ignore[attr-defined] # see above
            result=result, state=state, traceback=traceback, request=request
        )
        meta["task_id"] = task_id
        value: Any = self.encode(meta)
        if len(value) > self._MAX_STR_VALUE_SIZE:  # type: ignore[attr-defined] # see above
            raise BackendStoreError("the result is too large for Redis")
        return value
