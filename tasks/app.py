"""A Celery app that refuses what would only seem to work."""

from collections.abc import Callable
from inspect import isasyncgenfunction, iscoroutinefunction
from math import ceil
from typing import Any

from celery import Celery, Task

from limpet.errors import ConfigurationError
from tasks.quorum import queue_of


class CheckedTask(Task[..., Any]):
    """A task whose messages are checked before it is run."""

    abstract = True
    Request = "tasks.request:Request"

    def signature_from_request(
        self,
        request: Any = None,
        args: Any = None,
        kwargs: Any = None,
        queue: Any = None,
        **options: Any,
    ) -> Any:
        """Return the task as it is sent anew: to the queue that it came from.

        What has waited in RabbitMQ came by an exchange that none may be sent to, and
        waits whole seconds: Celery rounds them down, and fails with none left.
        """
        if self.app.conf.task_default_queue_type == "quorum":
            asked = self.request if request is None else request
            queue = queue or queue_of(asked.delivery_info) or None
            if options.get("countdown"):
                options["countdown"] = ceil(options["countdown"]) + 1
        make: Any = super().signature_from_request
        return make(request, args, kwargs, queue, **options)


class App(Celery):
    """Celery's, without tasks that it cannot run."""

    task_cls = "tasks.app:CheckedTask"

    def _task_from_fun(
        self, fun: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        name = options.get("name") or self.gen_task_name(fun.__name__, fun.__module__)
        _refuse_async(fun, str(name))
        return super()._task_from_fun(fun, *args, **options)

    def register_task(self, task: Any, **options: Any) -> Any:
        """Add a task that is a class.

        Raises:
            ConfigurationError: its ``run`` is an ``async def``.
        """
        _refuse_async(task.run, str(task.name))
        return super().register_task(task, **options)


def _refuse_async(fun: Callable[..., Any], name: str) -> None:
    # Celery calls it, gets a coroutine, and reports a success without having run it.
    if iscoroutinefunction(fun) or isasyncgenfunction(fun):
        raise ConfigurationError(
            f"task {name!r} is an `async def`, which Celery would not run: make it a "
            "plain `def` that calls asyncio.run()"
        )
