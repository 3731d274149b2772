"""A plain Celery producer: all that an app needs to enqueue jobs by name."""

from celery import Celery

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
