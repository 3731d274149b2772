"""What Flower hears from workers that it asks: nothing that may be secret.

Workers of ours have left it out by themselves; a plain Celery tells all that it has.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from celery.app.control import Control as CeleryControl
from celery.app.control import Inspect as CeleryInspect

from limpet import inspection, showing
from limpet.settings import settings


class Inspect(CeleryInspect):
    """Celery's, for the questions that Flower asks."""

    def active(self, safe: Any = None) -> Any:
        return _each(super().active(safe), _jobs)

    def reserved(self, safe: Any = None) -> Any:
        return _each(super().reserved(safe), _jobs)

    def scheduled(self, safe: Any = None) -> Any:
        return _each(super().scheduled(safe), _waiting)

    def stats(self) -> Any:
        return _each(super().stats(), inspection.stats)

    def conf(self, with_defaults: Any = False) -> Any:  # noqa: FBT002 - Celery's
        return _each(super().conf(with_defaults), inspection.conf)


class Control(CeleryControl):
    """Celery's, whose `inspect` tells no secret."""

    @cached_property
    def inspect(self) -> Any:
        return self.app.subclass_with_self(Inspect, reverse="control.inspect")


def _each(answers: Any, show: Callable[[Any], Any]) -> Any:
    """Return what each worker has answered as *show* has it; None: none has."""
    return answers and {worker: show(told) for worker, told in answers.items()}


def _jobs(told: Any) -> list[dict[str, Any]]:
    # Who could not do what it was asked says so in a dictionary.
    some = told if isinstance(told, list) else []
    return [showing.request(one, settings()) for one in some]


def _waiting(told: Any) -> list[dict[str, Any]]:
    some = told if isinstance(told, list) else []
    return [
        {**one, "request": showing.request(one["request"], settings())} for one in some
    ]
