"""Messages that the transport laid aside become dead letters."""

import json
from typing import Final

from celery import Celery
from kombu.exceptions import OperationalError

from limpet.dead import DeadLetters, Letter, Reason
from limpet.errors import StoreUnavailable
from limpet.sealing import Sealer
from limpet.settings import settings
from tasks.burial import content_id, readable
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
                letters.bury(_letter(message, sealer))
            channel.unpark([message.key for message in batch])
            done += len(batch)
    return done


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
                error=f"{headers[LOSSES]} workers died while they held it",
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
