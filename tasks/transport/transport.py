"""The transport: kombu's, with our channel and a poller that listens to bells."""

from typing import Any, Final

from kombu import transport as kombu_transport
from kombu.transport import redis as stock

from tasks.transport.bell import Bell
from tasks.transport.channel import Channel, SentinelChannel


class Poller(stock.MultiChannelPoller):
    """Kombu's poller, which hears a bell even when its channel may hold no more."""

    _channels: Any
    _fd_to_chan: Any
    _register: Any

    def add_bell(self, channel: Channel, bell: Bell) -> None:
        self._register(channel, bell, "BELL")

    def on_poll_start(self) -> None:
        super().on_poll_start()
        for channel in self._channels:
            # No claim will carry these while the channel holds all it may.
            if channel.outbox.pending and not channel._in_poll:  # noqa: SLF001 - kombu's way
                channel.flush()

    def on_readable(self, fileno: int) -> None:
        found = self._fd_to_chan.get(fileno)
        if found and found[1] == "BELL":
            found[0].handlers["BELL"]()
        else:
            super().on_readable(fileno)


class Transport(stock.Transport):
    """``redis://``, ``rediss://`` and ``redis+socket://``."""

    Channel = Channel
    #: The event loop that drives this, which looks at least every second; or none.
    loop: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle = Poller()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        self.loop = loop
        super().register_with_event_loop(connection, loop)

    @property
    def looped(self) -> bool:
        return self.loop is not None

    def wake(self, seconds: float) -> Any:
        """Have the loop look after so many *seconds*; return what can be cancelled."""
        look: Any = self.cycle
        return self.loop.call_later(max(seconds, 0), look.on_poll_start)


class SentinelTransport(Transport):
    """``sentinel://``; the option ``master_name`` says which master."""

    default_port = stock.SentinelTransport.default_port
    Channel = SentinelChannel


_OURS: Final = {
    "redis": "tasks.transport:Transport",
    "rediss": "tasks.transport:Transport",
    "sentinel": "tasks.transport:SentinelTransport",
}


def use_ours() -> None:
    """Have every connection of this process to a Redis broker use these transports.

    Celery's ``broker_transport`` would be forgotten as soon as kombu switches to
    another URL of the list, or meets ``redis+socket://``.
    """
    known: Any = kombu_transport
    known.TRANSPORT_ALIASES.update(_OURS)
    for scheme in _OURS:
        known._transport_cache.pop(scheme, None)  # noqa: SLF001 - no other way
