"""A channel that takes a message and records that it was taken in one step.

Kombu's own pops a message and records it afterwards: a worker that is killed in between
loses it. Keys and their contents are kombu's, so that any producer, a stock worker
beside ours, and Flower work as they are. What this relies on inside kombu is listed in
`tests/tasks/test_kombu.py`.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import Empty
from typing import Any, Final, NamedTuple

from kombu.transport import redis as stock

from limpet.lines import send_all
from limpet.scripts import Script
from tasks.transport.later import Later
from tasks.transport.outbox import Return
from tasks.transport.qos import QoS
from tasks.transport.taking import _CLAIM

_GIVE_BACK: Final = Script("tasks", "give_back")
_OVERDUE: Final = Script("tasks", "overdue")
_RENEW: Final = Script("tasks", "renew")


class Parked(NamedTuple):
    """A message that nobody could read; *at* is Unix time, *text* is as it was sent."""

    key: str
    queue: str
    at: float
    text: bytes


class Overdue(NamedTuple):
    """A message whose worker is not heard of; *idle* if that had not begun with it."""

    tag: str
    entry: bytes
    idle: bool


class Channel(Later):
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

    @property
    def _parked(self) -> str:
        return f"{self.unacked_key}_parked"

    def queues_of(self, exchange: str | None, routing_key: str) -> list[str]:
        """Return the queues that a message with these goes to, one at least."""
        return list(self._lookup(exchange or "", routing_key)) or [routing_key]

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ARG002 - kombu's
        """Take one message, for who asks without waiting.

        Raises:
            queue.Empty: there is none.
        """
        _, *found = self._run(_CLAIM, *self._claiming(1, (), [queue]))
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
        if self._pool is None and getattr(self.connection, "client", None) is None:
            # A lost connection that is being cleared away: nobody knows where to dial.
            return
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
        self._run(_CLAIM, *self._claiming(0, tags, []))

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

    def renew(self, running: Sequence[str], idle: Sequence[str] = ()) -> None:
        """Say that messages are held; *running* and *idle* are delivery tags.

        Whatever is *idle* has not begun: a worker that dies has not died of it.
        """
        keys = self._unacked()[1:]
        self._run(_RENEW, keys, [len(idle), *idle, *running])

    def overdue(self, limit: int) -> list[Overdue]:
        """Return messages whose worker is not heard of any more."""
        args = [self.visibility_timeout, self.sweep_gap, limit]
        found = self._run(_OVERDUE, self._unacked("sweeps"), args)
        rows = zip(*[iter(found)] * 3, strict=True)
        return [Overdue(tag.decode(), entry, bool(idle)) for tag, entry, idle in rows]

    def sizes(self, queues: Sequence[str]) -> dict[str, int]:
        """Return how many messages wait in each queue, 0 where there is none such."""
        steps = self.priority_steps
        keys = [
            self._key(self._q_for_pri(one, step)) for one in queues for step in steps
        ]
        with self.conn_or_acquire() as client:
            found = send_all(client, [("LLEN", key) for key in keys])
        lengths = [one if isinstance(one, int) else 0 for one in found]
        each = zip(*[iter(lengths)] * len(steps), strict=True)
        return dict(zip(queues, map(sum, each), strict=True))

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
