"""The line to the broker and to the results: all that the client needs of Celery.

Results are looked at, not subscribed to: a look leaves nothing behind, works with every
backend that others can read, and from any number of threads. So jobs are sent by an app
of Celery that has no backend; one that had would subscribe to the result of each job.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from celery import Celery
from celery.backends.base import BaseKeyValueStoreBackend
from kombu import Connection
from kombu.exceptions import OperationalError

from limpet.errors import ConfigurationError, StoreUnavailable
from limpet.names import HISTORY_HEADER, SCRAPE_QUEUE
from limpet.urls import check_broker, check_results

#: Seconds after which a broker or a backend is taken for frozen, or dialled in vain.
_ANSWER: Final = 3.0
#: Connections that sending takes at most; more threads wait for one, so long at most.
_CONNECTIONS: Final = 10
_TURN: Final = 10.0
#: Seconds that workers have for saying that they heard of a cancelled job.
_HEARD: Final = 1.0
#: Results that are asked for in one go.
_LOOK: Final = 100
#: Seconds that a batch is known: longer than any of its jobs may wait.
_BATCH_KEPT: Final = 8 * 86_400
_NO_BROKER: Final = "cannot reach the broker"
_NO_RESULTS: Final = "cannot reach the result backend"


@dataclass(frozen=True, slots=True)
class Letter:
    """A job as it is sent; *group* is the batch it belongs to.

    One that had ended, and is sent *again*, is told of anew when it ends. *follows* are
    the tasks that do, as Celery writes them: ``callbacks``, ``errbacks``, ``chain``.
    """

    task: str
    id: str
    kwargs: Mapping[str, Any] = field(repr=False)
    priority: int | None = None
    queue: str = SCRAPE_QUEUE
    args: Sequence[Any] = ()
    group: str | None = None
    group_index: int | None = None
    again: bool = False
    follows: Mapping[str, Any] = field(default_factory=dict, repr=False)


def _again() -> dict[str, Any]:
    return {HISTORY_HEADER: {"again": uuid4().hex[:12]}}


@contextmanager
def _named(field: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ConfigurationError(f"{field}: {error}") from None


def _app(backend: str) -> Celery:
    # It is not to be the app of the program that we are in.
    made = Celery("limpet", set_as_current=False)
    # Not as configuration: CELERY_RESULT_BACKEND of the environment would win.
    made.backend_cls = backend
    return made


class Line:
    """Connections of one process; thread-safe. Nothing is dialled before it is used.

    All of it raises `StoreUnavailable` within seconds when the other side is away.
    """

    def __init__(self, broker: str, results: str, sentinel_master: str) -> None:
        """Give the URLs as Celery has them, and the name behind a Sentinel.

        Raises:
            ConfigurationError: Celery cannot use one of them.
        """
        with _named("broker_url"):
            check_broker(broker)
        with _named("result_backend"):
            check_results(results)
        self._shared = not results.startswith(("rpc", "disabled"))
        self._sender = _app("disabled://")
        self._reader = _app(results)
        master = {"master_name": sentinel_master}
        self._sender.conf.update(
            broker_transport_options={
                "socket_timeout": _ANSWER,
                "socket_connect_timeout": _ANSWER,
                # Who connects tries once more, and not for ever.
                "max_retries": 1,
                "connect_retries_timeout": _ANSWER,
                "client_name": "limpet-client",
                **master,
            },
            task_publish_retry_policy={"max_retries": 1, "interval_start": 0.2},
        )
        self._reader.conf.update(
            result_backend_transport_options={
                "retry_policy": {"max_retries": 1},
                **master,
            },
            # One for all threads, not one pool of connections each.
            result_backend_thread_safe=True,
            redis_socket_timeout=_ANSWER,
            redis_socket_connect_timeout=_ANSWER,
            redis_client_name="limpet-client",
            result_expires=_BATCH_KEPT,
        )
        # Given as it is: CELERY_BROKER_URL of the environment may be another's.
        self._connections = self._sender.connection_for_write(broker).Pool(_CONNECTIONS)
        # Else a broadcast would use a pool of Celery's own, on that broker.
        self._sender.control.mailbox.producer_pool = None  # type: ignore[attr-defined] # its types lack it

    def send(self, *letters: Letter) -> None:
        """Enqueue jobs, one after the other over one connection."""
        with self._connected() as connection:
            producer = self._sender.amqp.Producer(connection, auto_declare=False)
            for one in letters:
                self._sender.send_task(
                    one.task,
                    args=list(one.args),
                    kwargs=dict(one.kwargs),
                    task_id=one.id,
                    queue=one.queue,
                    priority=one.priority,
                    group_id=one.group,
                    group_index=one.group_index,
                    headers=_again() if one.again else None,
                    link=one.follows.get("callbacks"),
                    link_error=one.follows.get("errbacks"),
                    chain=one.follows.get("chain"),
                    producer=producer,
                    # What pages such as Flower's show; arguments may be secret.
                    argsrepr="()",
                    kwargsrepr="{…}",
                )

    def cancel(self, jobs: Sequence[str]) -> int:
        """Have workers forget *jobs*; return how many workers have heard that."""
        with self._connected() as connection:
            heard = self._sender.control.revoke(
                list(jobs), connection=connection, reply=True, timeout=_HEARD
            )
        return len(heard or ())

    def look(self, jobs: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what is known of *jobs* by id: ``status`` and ``result``.

        One of which nothing is known has the status ``PENDING``.
        """
        with self._reading() as backend:
            if not isinstance(backend, BaseKeyValueStoreBackend):
                return {job: backend.get_task_meta(job, cache=False) for job in jobs}
            found = {}
            for start in range(0, len(jobs), _LOOK):
                some = jobs[start : start + _LOOK]
                texts = backend.mget([backend.get_key_for_task(job) for job in some])
                for job, text in zip(some, texts, strict=True):
                    known = {"status": "PENDING", "result": None}
                    found[job] = backend.decode_result(text) if text else known
            return found

    def forget(self, jobs: Sequence[str]) -> None:
        """Have nothing known of *jobs* any more."""
        with self._grouping() as backend:
            for job in jobs:
                backend.delete(backend.get_key_for_task(job))

    def save_batch(self, batch: str, jobs: Sequence[str]) -> None:
        """Keep which jobs a batch has, as Celery keeps a group."""
        # Written by hand: Celery's own objects listen to their results at once.
        group = ((batch, None), [((job, None), None) for job in jobs])
        with self._grouping() as backend:
            key = backend.get_key_for_group(batch)
            backend.set(key, backend.encode({"result": group}))

    def load_batch(self, batch: str) -> list[str]:
        """Return which jobs a batch has; none, if it is not known."""
        with self._grouping() as backend:
            text = backend.get(backend.get_key_for_group(batch))
            _, jobs = backend.decode(text)["result"] if text else (None, [])
            return [str(job[0][0]) for job in jobs]

    def close(self) -> None:
        """Close all connections."""
        self._connections.force_close_all()
        client = getattr(self._reader.backend, "client", None) if self._shared else None
        if client is not None:
            client.connection_pool.disconnect()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            with self._connections.acquire(block=True, timeout=_TURN) as connection:
                yield connection
        except (OperationalError, OSError):
            raise StoreUnavailable(_NO_BROKER) from None
        except self._connections.LimitExceeded:
            raise StoreUnavailable("all connections to the broker are busy") from None

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        if not self._shared:
            raise ConfigurationError(
                "result_backend: must be one that all can read, such as redis://; "
                "results of rpc:// reach the process alone that has sent the job"
            )
        try:
            yield self._reader.backend
        except Exception:  # noqa: BLE001 - each backend has its own, with its URL
            raise StoreUnavailable(_NO_RESULTS) from None

    @contextmanager
    def _grouping(self) -> Iterator[BaseKeyValueStoreBackend]:
        if self._shared and not isinstance(
            self._reader.backend, BaseKeyValueStoreBackend
        ):
            raise ConfigurationError(
                "result_backend: must be one that keeps keys and values, such as "
                "redis://, for batches"
            )
        with self._reading() as backend:
            yield backend
