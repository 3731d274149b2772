"""Results in Flower's API: numbers, and names of what served a job, and no page."""

from typing import Any

from celery import states
from flower.api.tasks import TaskApply as FlowerTaskApply
from flower.api.tasks import TaskResult as FlowerTaskResult

from limpet import showing
from limpet.showing import Open


class _Silent:
    """Answers as Flower does, with what may be seen of a result."""

    def initialize(self, open_: Open) -> None:
        self._open = open_

    def update_response_result(self, response: dict[str, Any], result: Any) -> None:
        """Put into *response* what Flower would, as far as it may be seen."""
        if result.state == states.FAILURE:
            response["result"] = showing.error(repr(result.result))
            response["traceback"] = showing.traceback(result.traceback or "")
            return
        response["result"] = showing.result(result.result, self._open)


class TaskResult(_Silent, FlowerTaskResult):  # type: ignore[misc] # it has no types
    """The result of a job that was sent by anybody."""


class TaskApply(_Silent, FlowerTaskApply):  # type: ignore[misc] # as above
    """The result of a job that was sent from here."""
