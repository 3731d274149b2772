"""A worker's sign of life, given while its loop turns and has its broker."""

from typing import Any

from celery import bootsteps

from limpet import pulse
from limpet.settings import settings


class Pulse(bootsteps.StartStopStep):
    """A touch every few seconds, by the worker's own loop."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._file = settings().pulse_file
        self._timer: Any = None

    def include_if(self, _consumer: Any) -> bool:
        """Only where somebody looks at it."""
        return self._file is not None

    def start(self, consumer: Any) -> None:
        """Begin, with each connection anew."""
        self.stop(consumer)
        pulse.tell(self._file)
        self._timer = consumer.timer.call_repeatedly(
            pulse.EVERY, pulse.tell, (self._file,)
        )

    def stop(self, _consumer: Any) -> None:
        """End with the connection."""
        if self._timer is not None:
            self._timer.cancel()
