"""A plain Celery producer: all that an app needs to enqueue jobs by name."""

from typing import Any

from celery import Celery
from celery.result import AsyncResult
from kombu.exceptions import OperationalError

from limpet.errors import StoreUnavailable
from limpet.settings import Settings


def producer(config: Settings) -> Celery:
    """Return an app that can ``send_task`` and read results; it knows no task.

    Nothing is sent yet. A broker that is away is an error after a few seconds.
    """
    made = Celery(broker=config.celery_broker, backend=config.celery_results)
    made.conf.update(
        broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 5},
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0.2},
        result_backend_transport_options={"retry_policy": {"max_retries": 1}},
        redis_socket_timeout=5,
        redis_socket_connect_timeout=5,
    )
    return made


def send(app: Celery, name: str, kwargs: dict[str, Any]) -> AsyncResult[Any]:
    """Enqueue one job.

    Raises:
        StoreUnavailable: the broker or the result backend cannot be reached.
    """
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
        return app.send_task(name, kwargs=kwargs)
    except OperationalError:
        raise StoreUnavailable("cannot reach the broker (CELERY_BROKER_URL)") from None
    except RuntimeError:  # how Celery says that it has given the backend up
        raise StoreUnavailable("cannot reach CELERY_RESULT_BACKEND") from None
