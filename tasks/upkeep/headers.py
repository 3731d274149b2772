"""What beat writes on its messages."""

from typing import Final

#: For which time it was due: when it had been sent before, in ms, or 0.
SLOT: Final = "upkeep_slot"
#: When it was sent, in ms of the session Redis.
SENT: Final = "upkeep_sent_ms"
