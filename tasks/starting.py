"""What a worker is refused, before it begins."""

import resource
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

from celery.concurrency import ALIASES  # type: ignore[attr-defined] # it has them
from celery.signals import celeryd_init, worker_init
from celery.worker.state import SOFTWARE_INFO

from limpet.names import INBOX_QUEUE, QUEUES, SCRAPE_QUEUE, WORKER_IDENT
from tasks import interruption

_GREEN: Final = ("gevent", "eventlet")


class GeventPool:
    """Stands for Celery's pool, which is refused."""


class EventletPool:
    """Stands for Celery's pool, which is refused."""


# Celery imports a pool before it tells which one it is: where that is not installed,
# the end would be a traceback.
ALIASES.update(
    threads="tasks.threads:TaskPool",
    gevent=f"{__name__}:{GeventPool.__name__}",
    eventlet=f"{__name__}:{EventletPool.__name__}",
)

#: Open files of a worker: more than it can use; what goes through all that there may be
#: takes long where that is a billion.
_FILES: Final = 65_536


@celeryd_init.connect
def check_options(conf: Any, options: dict[str, Any], **_signal: object) -> None:
    """End a worker that was started in a way that cannot be."""
    wrong = queue_problem(options.get("queues")) or queue_problem(
        options.get("exclude_queues")
    )
    # The command line says `pool`; who makes a worker in Python may say either.
    pool = options.get("pool") or options.get("pool_cls") or conf.worker_pool
    if problem := wrong or pool_problem(pool):
        raise SystemExit(f"limpet: {problem}")


@worker_init.connect
def raise_file_limit(**_signal: object) -> None:
    """Let the worker have the files that it may: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@worker_init.connect
def take_the_inbox(sender: Any, **_signal: object) -> None:
    """Have who takes from ``scrape`` take what plain producers send, too."""
    queues = sender.app.amqp.queues
    if SCRAPE_QUEUE in queues.consume_from and INBOX_QUEUE in queues:
        queues.select_add(queues[INBOX_QUEUE])


@worker_init.connect
def be_known(**_signal: object) -> None:
    """Have heartbeats say that this worker is one of ours."""
    SOFTWARE_INFO["sw_ident"] = WORKER_IDENT


@worker_init.connect
def stay(**_signal: object) -> None:
    """Begin as a worker that is not to end."""
    interruption.leave(now=False)


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
    where = f"{getattr(pool, '__module__', '')}:{pool}".lower()
    for name in _GREEN:
        if name in where:
            return (
                f"-P {name}: such a worker never takes over what a dead one held, and "
                "stalls while all its jobs wait; use -P threads"
            )
    return ""
