"""A channel that takes a message and records that it was taken in one step.

Kombu's own pops a message and records it afterwards: a worker that is killed in between
loses it. Keys and their contents are kombu's, so that any producer, a stock worker
beside ours, and Flower work as they are. What this relies on inside kombu is listed in
`tests/tasks/test_kombu.py`.

``unacked``         hash   delivery tag → [message, "", queue]
``unacked_index``   zset   delivery tag → when its worker was last heard of (Unix time)
``unacked_sweeps``  hash   when sweeps were made last, and since when without a gap
``unacked_parked``  hash   SHA-1 → queue, time and a message that nobody could read
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import Empty
from typing import Any, Final, NamedTuple

from kombu.transport import redis as stock

from limpet.scripts import Script
from tasks.transport.outbox import Return
from tasks.transport.qos import QoS
from tasks.transport.taking import _CLAIM, Taking

_GIVE_BACK: Final = Script("tasks", "give_back")
_OVERDUE: Final = Script("tasks", "overdue")
_KEEP: Final = Script("tasks", "keep")


class Parked(NamedTuple):
    """A message that nobody could read; *at* is Unix time, *text* is as it was sent."""

    key: str
    queue: str
    at: float
    text: bytes


class Channel(Taking):
    """Takes up to *claim_batch* messages at a time, never more than it may hold."""

    QoS = QoS

    #: Workers that a message may outlive before it is parked.
    max_losses = 5
    #: Seconds without a sweep after which workers must be heard before anything is
    #: taken from them.
    sweep_gap = 30.0
    from_transport_options = (
        *stock.Channel.from_transport_options,
        "claim_batch",
        "max_losses",
        "sweep_gap",
    )

    _maybe_update_queues_expire: Callable[[Any, str], None]

    def queues_of(self, exchange: str | None, routing_key: str) -> list[str]:
        """Return the queues that a message with these goes to, one at least."""
        return list(self._lookup(exchange or "", routing_key)) or [routing_key]

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ARG002 - kombu's
        """Take one message, for who asks without waiting.

        Raises:
            queue.Empty: there is none.
        """
        keys, names = self._lists([queue])
        found = self._run(_CLAIM, self._unacked(self._parked) + keys, [1, 0, *names])
        with self.conn_or_acquire() as client:
            self._maybe_update_queues_expire(client, queue)
        if not found:
            raise Empty
        _, tag, text = found
        payload = json.loads(text)
        payload["properties"]["delivery_tag"] = tag.decode()
        self.claimed.add(tag.decode())
        return payload

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - kombu's
        self.delivering = queue
        message = super().basic_get(queue, no_ack=no_ack, **kwargs)
        self.delivering = ""
        if message is not None and no_ack:
            tag = str(message.delivery_tag)
            self.claimed.discard(tag)
            self.outbox.acks.append(tag)
            self.tell()
        return message

    # --- telling ----------------------------------------------------------------

    def tell(self) -> None:
        """Have the outbox told: with the next claim, or now if there will be none."""
        closed = self.connection is None
        if closed or (self.connection.looped and self.active_queues):
            return
        self.flush()

    def flush(self) -> None:
        """Tell the broker all that is in the outbox; what it does not hear stays there.

        Does not raise when the broker is away.
        """
        with suppress(*self.connection_errors):
            while acks := self.outbox.take_acks():
                self._tell(acks, self.outbox.acks, self._ack)
            while returns := self.outbox.take_returns():
                self._tell(returns, self.outbox.returns, self._give_back)

    def _tell(self, items: Any, outbox: Any, how: Any) -> None:
        try:
            how(items)
        except BaseException:
            outbox.extend(items)
            raise

    def _ack(self, tags: Sequence[str]) -> None:
        keys = self._unacked(self._parked)
        self._run(_CLAIM, keys, [0, len(tags), *tags])

    def _give_back(self, returns: Sequence[Return]) -> None:
        keys = []
        args: list[Any] = []
        for one in returns:
            priority = self._get_message_priority(one.payload, reverse=False)
            keys.append(self._key(self._q_for_pri(one.queue, priority)))
            text = json.dumps(one.payload)
            args += [one.tag, "first" if one.first else "last", text]
        self._run(_GIVE_BACK, self._unacked() + keys, args)

    # --- what is held for long, and what nobody holds ---------------------------

    def renew(self, tags: Sequence[str]) -> None:
        """Say that the messages with *tags* are being worked on."""
        self._run(_KEEP, [self._key(self.unacked_index_key)], list(tags))

    def overdue(self, limit: int) -> list[tuple[str, bytes]]:
        """Return tag and record of messages whose worker is not heard of any more."""
        keys = self._unacked(f"{self.unacked_key}_sweeps")
        args = [self.visibility_timeout, self.sweep_gap, limit]
        found = iter(self._run(_OVERDUE, keys, args))
        return [(tag.decode(), entry) for tag, entry in zip(found, found, strict=True)]

    def parked(self, most: int) -> Iterator[Parked]:
        """Give out messages that nobody could read, some *most* of them."""
        with self.conn_or_acquire() as client:
            found = client.hscan_iter(self._key(self._parked), count=100)
            for _, (key, entry) in zip(range(most), found, strict=False):
                queue, at, text = entry.split(b"\n", 2)
                yield Parked(key.decode(), queue.decode(), float(at), text)

    def unpark(self, keys: Sequence[str]) -> None:
        """Forget parked messages that are kept elsewhere by now."""
        with self.conn_or_acquire() as client:
            client.hdel(self._parked, *keys)

    def close(self) -> None:
        """Give back what nobody works on, and close."""
        if not self.closed and self.connection is not None:
            self.flush()
            self._close_bell()
        super().close()


class SentinelChannel(Channel, stock.SentinelChannel):
    """The same behind Redis Sentinel."""

    from_transport_options = (
        *Channel.from_transport_options,
        *stock.SentinelChannel.from_transport_options,
    )
