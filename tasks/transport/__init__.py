"""A Redis transport for Celery that loses nothing, whatever dies."""

from tasks.transport.channel import Channel, Parked, SentinelChannel
from tasks.transport.transport import SentinelTransport, Transport, use_ours

__all__ = [
    "Channel",
    "Parked",
    "SentinelChannel",
    "SentinelTransport",
    "Transport",
    "use_ours",
]
