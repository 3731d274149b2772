"""What Flower remembers of jobs: nothing that may be secret, whoever has sent it."""

from typing import Any

from flower.events import Events as FlowerEvents

from limpet import showing
from limpet.showing import Open


class Events(FlowerEvents):  # type: ignore[misc] # it has no types
    """Flower's, which hears what other programs' workers and producers say too.

    Workers of ours have left out by themselves what nobody is to see; a plain Celery
    tells arguments, results and exceptions as they are.
    """

    def __init__(self, open_: Open, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._open = open_

    def on_event(self, event: dict[str, Any]) -> None:
        super().on_event(showing.event(event, self._open))
