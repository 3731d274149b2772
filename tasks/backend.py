"""Results in Redis as Celery has them, written in one trip instead of two.

Celery reads what it is about to overwrite, so that a success stays; here the server
looks. Keys and values are Celery's own: whoever reads results needs none of this.
"""

from typing import Any, Final

from celery import states
from celery.backends.redis import RedisBackend
from celery.exceptions import BackendStoreError

from limpet.scripts import Script

_RESULT: Final = Script("tasks", "result")
#: Begins the JSON of a success: the status is what Celery writes first.
_SUCCESS: Final = '{"status": "SUCCESS"'


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
        # celery-types knows little of what a backend has.
        meta = self._get_result_meta(  # type: ignore[attr-defined] # see above
            result=result, state=state, traceback=traceback, request=request
        )
        meta["task_id"] = task_id
        value = self.encode(meta)
        if len(value) > self._MAX_STR_VALUE_SIZE:  # type: ignore[attr-defined] # see above
            raise BackendStoreError("the result is too large for Redis")
        failed = state == states.FAILURE
        keep = self.failure_expires if failed else self.expires  # type: ignore[attr-defined] # see above
        key = self.get_key_for_task(task_id)
        self.ensure(_RESULT, (self.client, [key], [value, _SUCCESS, keep or 0]))
        return result
