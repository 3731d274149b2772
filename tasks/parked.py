"""Messages that the transport laid aside become dead letters."""

import json
from typing import Final

from celery import Celery
from celery.app.task import Context
from celery.exceptions import WorkerLostError
from kombu.exceptions import OperationalError

from limpet.dead import DeadLetters, Letter, Reason
from limpet.errors import JobFailed, StoreUnavailable
from limpet.sealing import Sealer
from limpet.settings import settings
from tasks.burial import content_id, readable
from tasks.running import KINDS, dropped
from tasks.transport import Channel, Parked
from tasks.transport.qos import LOSSES

#: Messages that are looked at in one step.
_BATCH: Final = 200


def collect(app: Celery, *, most: int = 100_000) -> int:
    """Bury what the broker's transport laid aside; return how many messages.

    Safe to run twice: a message is known by its id, or by what is in it.

    Raises:
        StoreUnavailable: the broker is away, or nobody could keep them; they stay
            where they are.
    """
    letters, sealer = DeadLetters(settings()), Sealer.of(settings())
    done = 0
    with app.connection_for_read() as connection:
        try:
            connection.ensure_connection(max_retries=1, timeout=5)
        except OperationalError:
            raise StoreUnavailable("cannot reach the broker") from None
        channel = connection.default_channel
        while isinstance(channel, Channel) and done < most:
            batch = list(channel.parked(_BATCH))
            if not batch:
                break
            for message in batch:
                letter = _letter(message, sealer)
                letters.bury(letter)
                _tell(app, letter, message)
            channel.unpark([message.key for message in batch])
            done += len(batch)
    return done


def _tell(app: Celery, letter: Letter, message: Parked) -> None:
    """Say what became of a job to who waits for it.

    Raises:
        StoreUnavailable: the result backend did not answer.
    """
    if letter.reason is not Reason.LOST:
        return
    payload = json.loads(message.text)
    body = readable(Channel.codecs["base64"].decode(payload["body"]))
    error: Exception = WorkerLostError(letter.error)
    if letter.task in KINDS:
        error = JobFailed(letter.error)
        given = (body.get("args", ()), body.get("kwargs", {}))
        headers = payload["headers"]
        dropped(letter.id, letter.task, *given, letter.error, headers)
    request = Context(id=letter.id, task=letter.task, **body.get("follows", {}))
    try:
        app.backend.mark_as_failure(letter.id, error, request=request)
    except Exception:  # noqa: BLE001 - each backend has its own, with its URL
        raise StoreUnavailable("cannot reach CELERY_RESULT_BACKEND") from None


def _letter(message: Parked, sealer: Sealer) -> Letter:
    try:
        payload = json.loads(message.text)
        headers = payload["headers"]
        body = Channel.codecs["base64"].decode(payload["body"])
        if headers.get(LOSSES):
            return Letter.seal(
                sealer,
                readable(body, payload["properties"].get("priority")),
                reason=Reason.LOST,
                error=f"{_workers(headers[LOSSES])} died of it",
                id=str(headers["id"]),
                task=str(headers["task"]),
                queue=message.queue,
            )
    except (ValueError, TypeError, KeyError, AttributeError):
        pass  # it is what it is laid aside for
    return Letter.seal(
        sealer,
        {"raw": message.text.decode("utf-8", "replace")},
        reason=Reason.MALFORMED,
        error="the message cannot be read",
        id=content_id(message.text),
        task="",
        queue=message.queue,
    )


def _workers(number: object) -> str:
    return "1 worker" if number == 1 else f"{number} workers"
