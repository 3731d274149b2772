"""What Flower remembers of jobs: nothing that may be secret, whoever has sent it."""

from typing import Any

from flower.events import Events as FlowerEvents

from limpet import showing
from limpet.names import TASKS
from limpet.showing import Open


class Events(FlowerEvents):  # type: ignore[misc] # it has no types
    """Flower's, which hears what other programs' workers and producers say too.

    Workers of ours have left out by themselves what nobody is to see; a plain Celery
    tells arguments, results and exceptions as they are.
    """

    def __init__(self, open_: Open, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._open = open_
        self._forget_secrets()

    def _forget_secrets(self) -> None:
        """Leave out what a plain Flower has saved."""
        tasks = self.state.tasks
        for task in tasks.values():
            vars(task).update(self._shown(vars(task), task.name))
        self.state.search_engine.rebuild(tasks.items())

    def on_event(self, event: dict[str, Any]) -> None:
        # In the thread that the state is of, as Flower does it: of which task an event
        # is, is known there, from an earlier one.
        self.io_loop.add_callback(self._take, event)

    def _take(self, event: dict[str, Any]) -> None:
        task = self.state.tasks.get(event.get("uuid"))
        name = (task and task.name) or event.get("name")
        self.state.event(self._shown(event, name))

    def _shown(self, fields: dict[str, Any], task: str | None) -> dict[str, Any]:
        return showing.event(fields, self._open, ours=task in TASKS)
