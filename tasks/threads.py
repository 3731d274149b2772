"""The pool of threads, which ends a job that Celery itself stumbles over.

Celery's own drops what is raised around a task: a callback that cannot be sent, say.
Such a job is never acknowledged and keeps its place, and a worker whose places are all
kept so takes no other job.
"""

from collections.abc import Callable
from typing import Any

from celery.app.trace import ExceptionInfo  # type: ignore[attr-defined] # it has it
from celery.concurrency.thread import TaskPool as CeleryPool


class TaskPool(CeleryPool):
    """Celery's, which fails a job rather than hold it for ever."""

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        *callbacks: Any,
        error_callback: Callable[[ExceptionInfo], object] | None = None,
        **options: Any,
    ) -> Any:
        """Run *target*; *error_callback* hears what it raises, as of a process."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            try:
                return target(*args, **kwargs)
            except Exception:
                if error_callback:
                    error_callback(ExceptionInfo())
                raise

        return super().on_apply(watched, args, kwargs, *callbacks, **options)
