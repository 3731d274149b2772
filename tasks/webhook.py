"""Tell an app's own server how a job ended: signed, retried, once in effect.

The queue holds the receiver's URL and what it is to be told, never the secret. Every
try sends the same body under the same delivery id and is signed anew, with the time in
what is signed (the scheme of Stripe's webhooks): a receiver can tell a copy from an
original, and an old one from a new one.
"""

import json
import secrets
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from celery import Task
from kombu.exceptions import OperationalError

from limpet.connection import session_redis
from limpet.errors import (
    AddressRefused,
    InvalidJob,
    JobError,
    JobFailed,
    StoreUnavailable,
)
from limpet.jobs import Hook, WebhookJob
from limpet.jobs.webhook import BODY_MAX
from limpet.names import WEBHOOK, WEBHOOK_QUEUE
from limpet.settings import settings
from results.store import Delivery, DeliveryState, OnceStore
from tasks import runtime
from tasks.celery import app
from tasks.sender import Answer, Sender
from tasks.tries import Tries

#: Characters of an error that a receiver is told.
_ERROR_MAX: Final = 2_000
#: A try that died is another one's after its own deadline and this, in seconds.
_MARGIN: Final = 10.0
#: A delivery is remembered for this much longer than it may take, in seconds: as long
#: as a job may be redelivered.
_REMEMBERED: Final = 86_400.0
#: Begins the keys of webhooks that no pool has to do with.
_NO_POOL: Final = "limpet"
#: Names the delivery of a job: the same for every worker that has run it.
_NAMESPACE: Final = uuid.UUID("5f0c3c62-7d4e-5b0a-9a3e-6f1f4b8f6c11")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job of *task* ended: *error* in words, or none.

    *summary* has counts and the like as JSON values; what is over 64 KB is left out.
    *again* is that of its history: an end of its own, for a job that was sent anew.
    """

    pool: str
    task: str
    error: str | None = None
    summary: dict[str, Any] | None = None
    again: str = ""


def check(hook: Hook | None) -> None:
    """See before a job is begun that its webhook can be sent.

    Raises:
        InvalidJob: there is no secret to sign with, or the URL may not be visited.
    """
    if hook is None:
        return
    if not settings().webhook_secrets:
        raise InvalidJob(
            "webhook: the workers have no LIMPET_WEBHOOK_SECRET to sign it with"
        )
    try:
        runtime.guard().check(hook.url)
    except AddressRefused as error:
        raise InvalidJob(f"webhook: url: {error}") from None


def delivery_id(job_id: str, again: str = "") -> str:
    """Return the id under which a job's webhook is delivered, always the same."""
    return str(uuid.uuid5(_NAMESPACE, f"{job_id}/{again}" if again else job_id))


def announce(job_id: str, hook: Hook | None, ended: Ended) -> str | None:
    """Put the webhook of a job that is over into the queue; return its delivery id.

    For a job that is done and for one that has failed for good; `None` when its
    receiver did not ask for that. A job that runs twice is announced once; one that
    had ended and was sent anew, once for each time.

    Raises:
        StoreUnavailable: Redis or the broker did not answer; to be called again.
    """
    event = "completed" if ended.error is None else "failed"
    if hook is None or event not in hook.events:
        return None
    delivery = Delivery(delivery_id(job_id, ended.again), _host(hook.url))
    _enqueue(delivery, hook.url, _body(job_id, event, ended), ended.pool)
    return delivery.id


def notify(name: str, url: str, about: dict[str, Any]) -> None:
    """Put a webhook of no job into the queue: *about*, as JSON, to *url*.

    What has the same *name* is delivered once, and has to say the same.

    Raises:
        StoreUnavailable: Redis or the broker did not answer; to be called again.
    """
    delivery = Delivery(delivery_id(name), _host(url))
    body = json.dumps({"delivery": delivery.id, **about})
    _enqueue(delivery, url, body, _NO_POOL)


def _enqueue(delivery: Delivery, url: str, body: str, pool: str) -> None:
    store = OnceStore(session_redis(settings()), pool)
    if store.announced(delivery):
        return
    try:
        app.send_task(
            WEBHOOK,
            kwargs={"to": url, "body": body, "pool": pool},
            task_id=delivery.id,
            queue=WEBHOOK_QUEUE,
            # Or this worker would subscribe to it, and stay subscribed.
            ignore_result=True,
        )
    except OperationalError:
        raise StoreUnavailable("cannot reach the broker (CELERY_BROKER_URL)") from None
    # Only now. A worker that dies before this sends the message twice, and the second
    # one finds the webhook delivered; the other way round it would be lost.
    store.announce(delivery, keep=_keep())


@app.task(
    name=WEBHOOK,
    bind=True,
    max_retries=None,
    throws=(JobError,),
    ignore_result=True,
    # A URL may be as good as a password: pages and events do not show it.
    Request="tasks.request:Request",
    resultrepr_maxsize=0,
)
def webhook(self: Task[..., Any], /, *args: object, **kwargs: object) -> None:
    """Deliver one webhook; `WebhookJob` says which, the task id is the delivery id.

    Raises:
        InvalidJob: the arguments describe no delivery.
        JobFailed: it was refused for good, or no try or time is left.
    """
    try:
        job = WebhookJob.parse(args, kwargs)
    except InvalidJob as error:
        log.warning("job_refused", task_id=self.request.id, reason=str(error))
        raise
    delivery = Delivery(str(self.request.id), _host(job.to))
    tries: Tries | None = Tries.of(self.request.headers)
    try:
        if tries and not tries.early:
            tries = _deliver(job, delivery, tries)
    except JobFailed as failed:
        log.warning("webhook_failed", **_names(delivery), reason=str(failed))
        raise
    if tries:
        wait = tries.wait(settings())
        raise self.retry(countdown=wait, headers=tries.headers())


def _deliver(job: WebhookJob, delivery: Delivery, tries: Tries) -> Tries | None:
    """Try once; return how to go on, `None` when it is delivered."""
    config = settings()
    store = OnceStore(session_redis(config), job.pool)
    token = secrets.token_hex(8)
    state, wait = _begin(store, delivery, token)
    if state is DeliveryState.DONE:
        return None
    if state is DeliveryState.WAIT:
        # Not as long as a dead worker could hold it: most are done much sooner.
        return tries.later(min(wait, config.webhook_backoff_seconds), config)
    answer = _sender().post(
        job.to,
        job.body.encode(),
        delivery.id,
        timeout=config.webhook_timeout_seconds,
    )
    _record(store, delivery, token, answer)
    about = {**_names(delivery), "status": answer.status, "tries": tries.made + 1}
    if not answer.ok:
        log.info("webhook_refused", **about, reason=answer.text)
        return tries.after(answer, config)
    log.info("webhook_delivered", **about)
    return None


def _begin(
    store: OnceStore, delivery: Delivery, token: str
) -> tuple[DeliveryState, float]:
    config = settings()
    try:
        hold = config.webhook_timeout_seconds + _MARGIN
        return store.deliver(delivery, token, hold=hold)
    except StoreUnavailable as error:
        # Without it nobody knows whether it is delivered.
        log.info("webhook_waits", **_names(delivery), reason=str(error))
        return DeliveryState.WAIT, config.webhook_backoff_seconds


def _record(store: OnceStore, delivery: Delivery, token: str, answer: Answer) -> None:
    # Should Redis be away now, the receiver tells a second copy by its id.
    with suppress(StoreUnavailable):
        if answer.ok:
            store.delivered(delivery, token, keep=_keep())
            return
        # One that is not there at all is not waited for by a thread a webhook.
        away = settings().webhook_backoff_seconds if answer.status is None else 0
        rest = min(answer.retry_after, _MARGIN) or away
        store.undelivered(delivery, token, keep=_keep(), rest=rest)


@cache
def _sender() -> Sender:
    config = settings()
    return Sender(
        config.webhook_secrets,
        guard=runtime.guard(),
        user_agent=config.user_agent,
        ca_file=str(config.ca_file or ""),
    )


def _body(job_id: str, event: str, ended: Ended) -> str:
    about = {
        "delivery": delivery_id(job_id, ended.again),
        "event": event,
        "job": job_id,
        "task": ended.task,
        "pool": ended.pool,
        "at": round(time.time(), 3),
        "error": ended.error if ended.error is None else ended.error[:_ERROR_MAX],
    }
    whole = json.dumps({**about, "summary": ended.summary or {}})
    if len(whole) <= BODY_MAX:
        return whole
    return json.dumps({**about, "summary": {"left_out": "over 64 KB"}})


def _keep() -> float:
    return settings().webhook_max_age_seconds + _REMEMBERED


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()


def _names(delivery: Delivery) -> dict[str, Any]:
    return {"delivery": delivery.id, "receiver": delivery.receiver}
