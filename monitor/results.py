"""Results in Flower's API: numbers, and names of what served a job, and no page."""

from typing import Any

from celery import states
from flower.api.tasks import TaskApply as FlowerTaskApply
from flower.api.tasks import TaskResult as FlowerTaskResult

from limpet import showing
from limpet.errors import LimpetError
from limpet.names import TASKS
from limpet.showing import Open


class _Silent:
    """Answers as Flower does, with what may be seen of a result."""

    application: Any
    path_args: list[str]

    def initialize(self, open_: Open) -> None:
        self._open = open_

    def task(self, result: Any) -> str | None:
        """Return whose *result* it is; Celery keeps no name with it."""
        raise NotImplementedError

    def update_response_result(self, response: dict[str, Any], result: Any) -> None:
        """Put into *response* what Flower would, as far as it may be seen."""
        if result.state == states.FAILURE:
            error = result.result
            ours = isinstance(error, LimpetError)
            response["result"] = showing.error(repr(error), ours=ours)
            response["traceback"] = showing.traceback(result.traceback or "")
            return
        ours = self.task(result) in TASKS
        response["result"] = showing.result(result.result, self._open, ours=ours)


class TaskResult(_Silent, FlowerTaskResult):  # type: ignore[misc] # it has no types
    """The result of a job that was sent by anybody."""

    def task(self, result: Any) -> Any:
        known = self.application.events.state.tasks.get(result.id)
        return known and known.name


class TaskApply(_Silent, FlowerTaskApply):  # type: ignore[misc] # as above
    """The result of a job that was sent from here."""

    def task(self, result: Any) -> str | None:  # noqa: ARG002 - as above
        return self.path_args[0]
