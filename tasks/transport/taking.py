"""How a channel takes messages: a claim, and how it waits when there is none.

An answer to what is asked here comes through the event loop, as that to kombu's BRPOP
does: `_brpop_start` sends, `_brpop_read` is called when the connection can be read.
"""

import json
import time
from collections.abc import Callable
from math import inf
from queue import Empty
from typing import Any, Final

import structlog
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

from limpet.scripts import Script
from tasks.transport.bell import Bell
from tasks.transport.keyed import Keyed
from tasks.transport.outbox import Outbox, outbox_of

_CLAIM: Final = Script("tasks", "claim")
_PARK: Final = Script("tasks", "park")

#: Seconds between two looks of a worker whose several lists no bell serves.
_GLANCE: Final = 0.25
#: Seconds to leave a Redis alone that refuses a claim, for want of rights or memory.
_REST: Final = 1.0

log = structlog.get_logger(__name__)


class Taking(Keyed):
    """The half of a channel that takes messages."""

    claim_batch = 32
    # What kombu's types do not tell.
    connection: Any
    connection_errors: tuple[type[Exception], ...]
    qos: Any
    _queue_cycle: Any
    _flush_brpop_reauth: Callable[[], None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        #: Messages that the claim recorded and no consumer was given yet.
        self.claimed: set[str] = set()
        #: The queue of the message that a consumer is being given.
        self.delivering = ""
        self._no_ack: set[str] = set()
        self._bell: Bell | None = None
        self._bell_refused = False
        self._asked = ""
        self._replies = 1
        self._carried: list[str] = []
        self._look_at = 0.0
        self._soon = inf
        self._alarm: Any = None
        self._empty = False
        super().__init__(*args, **kwargs)
        self.handlers["BELL"] = self._rung
        info = self.connection.client
        place = (*(info.alt or ()), info.hostname, info.port, info.virtual_host)
        self.outbox: Outbox = outbox_of(*place, self._key(self.unacked_key))

    # --- asking -----------------------------------------------------------------

    def basic_consume(self, queue: str, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("no_ack") or (args and args[0]):
            self._no_ack.add(queue)
        else:
            self._no_ack.discard(queue)
        self._look_again()
        return super().basic_consume(queue, *args, **kwargs)

    def _look_again(self) -> None:
        self._look_at, self._empty = 0.0, False

    def _brpop_start(self, timeout: float | None = None) -> None:  # noqa: ARG002 - kombu's
        """Ask for messages, unless there is none to be had at the moment."""
        now = time.monotonic()
        if self._look_at > now and not self.outbox.pending:
            return
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not queues:
            return
        if self.outbox.returns:
            self.flush()
        self._look_at = 0.0
        connection = self.client.connection
        if self._empty and not self.outbox.acks:
            self._wait(connection, self._lists(queues))
        else:
            self._claim(connection, queues)
        self._in_poll = connection
        self._brpop_sent_at = now

    def _claim(self, connection: Any, queues: list[str]) -> None:
        room = self.qos.can_consume_max_estimate()
        most = self.claim_batch if room is None else max(1, min(room, self.claim_batch))
        acks = self._carried = self.outbox.take_acks()
        self._asked, self._replies = "claim", 1
        try:
            command = _CLAIM.command(*self._claiming(most, acks, queues))
            connection.send_command(*command)
        except BaseException:
            self._keep_acks()
            raise

    def _keep_acks(self) -> None:
        """Have the next claim carry the acks of one that was not answered."""
        self.outbox.acks.extend(self._carried)
        self._carried = []

    def _wait(self, connection: Any, keys: list[str]) -> None:
        if bell := self._open_bell():
            self._asked, self._replies = "watch", bell.watch(connection, keys)
            return
        # Blocks on the first list alone, and leaves what it finds where it is.
        wait = self.brpop_timeout if len(keys) == 1 else _GLANCE
        # 0 would be for ever.
        wait = max(0.01, min(wait, self.brpop_timeout, self._soon - time.monotonic()))
        self._asked, self._replies = "wait", 1
        connection.send_command("BLMOVE", keys[0], keys[0], "RIGHT", "RIGHT", wait)

    # --- the bell ---------------------------------------------------------------

    def _open_bell(self) -> Bell | None:
        # Without an event loop nobody would look when the bell stays silent.
        if self._bell_refused or not self.connection.looped:
            return None
        if self._bell is None:
            self._bell = Bell(self.async_pool, self.connection_errors)
        if not self._bell.up:
            try:
                self._bell.connect()
            except ResponseError:
                self._refuse_bell()
                return None
            self.connection.cycle.add_bell(self, self._bell)
        return self._bell

    def _refuse_bell(self) -> None:
        log.warning("no_client_tracking", instead=f"a look every {_GLANCE} s")
        self._bell_refused = True
        self._close_bell()

    def _close_bell(self) -> None:
        if self._bell is not None:
            self._bell.close()
            self._bell = None

    def _rung(self) -> None:
        self._look_again()
        if self._bell is not None:
            self._bell.silence()

    # --- hearing ----------------------------------------------------------------

    def _brpop_read(self, **_options: Any) -> bool:
        """Read what was asked for last, and give messages to their consumers."""
        asked = self._asked
        try:
            replies = [self._reply() for _ in range(self._replies)]
        finally:
            self._keep_acks()
            self._asked, self._in_poll = "", None
            self._flush_brpop_reauth()
        if asked == "claim":
            return self._claimed(replies[0])
        if asked == "watch" and any(isinstance(one, Exception) for one in replies):
            self._refuse_bell()
        elif asked == "watch" and replies[-1] == 0:
            self._rest()
        self._empty = False
        raise Empty

    def _reply(self) -> Any:
        """Return a reply, or what Redis refused with.

        Raises:
            redis.exceptions.ConnectionError: or another of `connection_errors`.
        """
        connection = self.client.connection
        try:
            reply = connection.read_response()
        except ReadOnlyError:
            # The master became a replica: a new connection asks who is it now.
            connection.disconnect()
            self._look_again()
            raise RedisConnectionError("this Redis is a read-only replica") from None
        except ResponseError as error:
            return error
        except self.connection_errors:
            connection.disconnect()
            self._look_again()
            raise
        if self._asked == "claim":
            self._carried = []
        return reply

    def _rest(self) -> None:
        """Ask nothing until somebody rings, or something is due, or a second ends."""
        now = time.monotonic()
        self._look_at = min(now + self.brpop_timeout, self._soon)
        if self._look_at == self._soon:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = self.connection.wake(self._soon - now)

    def _claimed(self, reply: Any) -> bool:
        if isinstance(reply, NoScriptError):
            Redis(connection_pool=self.pool).script_load(_CLAIM.source)
            raise Empty
        if isinstance(reply, Exception):
            log.error("claim_refused", reason=str(reply).partition("\n")[0][:200])
            self._look_at = time.monotonic() + _REST
            raise Empty
        soon, *found = reply
        self._soon = time.monotonic() + float(soon) if soon else inf
        # Some that are for later were put away, and there are more: look at once.
        self._empty = not found and soon != b"0"
        if not found:
            raise Empty
        items = list(zip(*[iter(found)] * 3, strict=True))
        self.claimed.update(tag.decode() for _, tag, _ in items)
        for queue, tag, text in items:
            self._give(queue.decode(), tag.decode(), text)
        self._queue_cycle.rotate(items[-1][0].decode())
        return True

    def _give(self, queue: str, tag: str, text: bytes) -> None:
        try:
            payload = json.loads(text)
            payload["properties"]["delivery_tag"] = tag
            self.Message(payload, channel=self)
        except Exception:  # noqa: BLE001 - whatever it is that cannot be read
            self.park(tag, queue, text)
            return
        self.delivering = queue
        try:
            self.connection._deliver(payload, queue)  # noqa: SLF001 - as kombu does
        finally:
            self.delivering = ""
            self.claimed.discard(tag)
        if queue in self._no_ack:
            self.outbox.acks.append(tag)
            self.tell()

    def park(self, tag: str, queue: str, text: bytes) -> None:
        """Lay a message aside that nobody can read; `parked` gives it out."""
        self.claimed.discard(tag)
        log.warning("message_parked", queue=queue, bytes=len(text))
        self._run(_PARK, self._unacked("parked"), [tag, queue, text])

    def tell(self) -> None:
        """Have the outbox told to the broker, soon or now."""
        raise NotImplementedError

    def flush(self) -> None:
        """Tell the broker all that is in the outbox, now."""
        raise NotImplementedError
