"""What a worker is refused, before it begins."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from celery.signals import celeryd_init, worker_init

from limpet.names import INBOX_QUEUE, QUEUES, SCRAPE_QUEUE


@celeryd_init.connect
def check_options(options: dict[str, Any], **_signal: object) -> None:
    """End a worker that was started in a way that cannot be."""
    wrong = queue_problem(options.get("queues")) or queue_problem(
        options.get("exclude_queues")
    )
    if problem := wrong or pool_problem(options.get("pool_cls")):
        raise SystemExit(f"limpet: {problem}")


@worker_init.connect
def take_the_inbox(sender: Any, **_signal: object) -> None:
    """Have who takes from ``scrape`` take what plain producers send, too."""
    queues = sender.app.amqp.queues
    if SCRAPE_QUEUE in queues.consume_from and INBOX_QUEUE in queues:
        queues.select_add(queues[INBOX_QUEUE])


def queue_problem(names: str | Iterable[str] | None) -> str:
    """Say which of the *names* is no queue of ours; nothing, if all are."""
    named = names.split(",") if isinstance(names, str) else list(names or ())
    for name in named:
        if name not in QUEUES:
            near = get_close_matches(name, QUEUES, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            known = ", ".join(QUEUES)
            return f"-Q: there is no queue {name!r}{hint} (queues: {known})"
    return ""


def pool_problem(pool: object) -> str:
    """Say why *pool*, a class or a name, cannot be used; nothing, if it can."""
    where = f"{getattr(pool, '__module__', '')}:{pool}"
    for name in ("gevent", "eventlet"):
        if name in where:
            return (
                f"-P {name}: such a worker never takes over what a dead one held, and "
                "stalls while all its jobs wait; use -P threads"
            )
    return ""
