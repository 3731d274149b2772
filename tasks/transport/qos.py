"""Which messages a channel holds, and what becomes of them when it closes."""

import json
from collections.abc import Callable, Collection
from typing import Any, Final

import structlog
from kombu.transport import redis as stock
from kombu.transport.virtual import QoS as VirtualQoS

from tasks.transport.outbox import Return

#: Header in which a message counts the workers that died of it, or were lost with it.
LOSSES: Final = "limpet_losses"
#: Times that one sweep looks again when it found as many messages as it may.
_SWEEPS: Final = 5

log = structlog.get_logger(__name__)


def _nothing() -> Collection[str]:
    return ()


class QoS(stock.QoS):
    """Kombu's bookkeeping of messages, without its gaps.

    Messages that the claim has recorded are not recorded again. Acks go out with the
    next claim. When the connection is lost, what a pool is still working on is kept:
    given back, it would run twice.
    """

    #: Tells the delivery tags that this process is working on, whichever channel they
    #: came by; see `tasks.renewal`.
    working: Callable[[], Collection[str]] = staticmethod(_nothing)
    channel: Any
    _delivered: Any
    _dirty: set[str]

    def append(self, message: Any, delivery_tag: str) -> None:
        """Hold a message; only one that came by another way needs a record."""
        if delivery_tag in self.channel.claimed:
            self.channel.claimed.discard(delivery_tag)
            message.taken_from = self.channel.delivering
            VirtualQoS.append(self, message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        self.channel.outbox.acks.append(delivery_tag)
        VirtualQoS.ack(self, delivery_tag)
        self.channel.tell()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's
        """Drop a message, or give it back to be taken after all others."""
        message = self._delivered.get(delivery_tag)
        if requeue and message is not None:
            self.channel.outbox.returns.append(self._return(message, first=False))
        elif not requeue:
            self.channel.outbox.acks.append(delivery_tag)
        # Else it came by a connection that was lost. It keeps its record: a sweep gives
        # it back, since nobody renews it any more.
        VirtualQoS.ack(self, delivery_tag)
        self.channel.tell()

    def held(self) -> list[str]:
        """Return the tags of all messages that were taken and not acknowledged."""
        while True:
            try:
                return [tag for tag in list(self._delivered) if tag not in self._dirty]
            except RuntimeError:  # pragma: no cover - the loop took another meanwhile
                continue

    def restore_unacked(self, client: Any = None) -> None:  # noqa: ARG002 - kombu's
        """Give back what nobody works on; the channel is about to close."""
        working = set(self.working())
        for tag in self.held():
            if tag not in working:
                message = self._delivered[tag]
                self.channel.outbox.returns.append(self._return(message, first=True))
        self._delivered.clear()
        self._dirty.clear()
        self.channel.flush()

    def restore_visible(self, *_start: Any, num: int = 0, **_options: Any) -> None:
        """Give back what workers held that are not heard of any more.

        Needs no lock, as kombu's sweep does: each message is found by one sweep and put
        back by whoever removes its record.
        """
        limit = num or 200
        for _ in range(_SWEEPS):
            found = self.channel.overdue(limit)
            for one in found:
                self._restore_overdue(one.tag, one.entry, idle=one.idle)
            self.channel.flush()
            if len(found) < limit:
                return

    def _restore_overdue(self, tag: str, entry: bytes, *, idle: bool) -> None:
        try:
            payload, exchange, routing_key = json.loads(entry)
            losses = _count_loss(payload, one=0 if idle else 1)
        except (ValueError, TypeError, KeyError, AttributeError):
            self.channel.park(tag, "", entry)
            return
        if losses > self.channel.max_losses:
            log.error("message_parked", losses=losses, queue=routing_key)
            self.channel.park(tag, routing_key, json.dumps(payload).encode())
            return
        log.warning("message_restored", queue=routing_key, losses=losses)
        # What a stock worker took may have gone to several queues by its exchange.
        for queue in self.channel.queues_of(exchange, routing_key)[:1]:
            self.channel.outbox.returns.append(Return(tag, payload, queue))

    def _return(self, message: Any, *, first: bool) -> Return:
        payload = message._raw  # noqa: SLF001 - as it was sent; kombu uses it too
        _mark(payload)
        queue = getattr(message, "taken_from", None)
        if queue is None:
            info = payload["properties"]["delivery_info"]
            found = self.channel.queues_of(info.get("exchange"), info["routing_key"])
            queue = found[0]
        return Return(message.delivery_tag, payload, queue, first)


def _mark(payload: dict[str, Any]) -> dict[str, Any]:
    headers = payload["headers"] = payload.get("headers") or {}
    headers["redelivered"] = True
    payload["properties"]["delivery_info"]["redelivered"] = True
    return headers


def _count_loss(payload: dict[str, Any], *, one: int) -> int:
    headers = _mark(payload)
    held = headers.get(LOSSES)
    losses = held + one if isinstance(held, int) else one
    headers[LOSSES] = losses
    return losses
