"""What a worker still has to tell the broker: acks, and messages to give back.

Delivery tags mean the same on every connection to one broker. So what could not be said
because the broker was away is kept here, and the next connection says it.
"""

import os
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

#: Acks that one claim carries: each is two commands inside the script.
ACKS_AT_ONCE: Final = 256
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Return:
    """A message to put back: *first*, it is the next that is taken from its queue."""

    tag: str
    payload: dict[str, Any]
    queue: str
    first: bool = True


@dataclass(slots=True)
class Outbox:
    """What this process has to tell one broker; threads may add to it."""

    acks: deque[str] = field(default_factory=deque)
    returns: deque[Return] = field(default_factory=deque)

    @property
    def pending(self) -> bool:
        return bool(self.acks or self.returns)

    def take_acks(self) -> list[str]:
        return _take(self.acks, ACKS_AT_ONCE)

    def take_returns(self) -> list[Return]:
        return _take(self.returns, ACKS_AT_ONCE)


def _take(held: deque[_Item], most: int) -> list[_Item]:
    found: list[_Item] = []
    # Another thread may add meanwhile: nothing is copied first and cleared then.
    while held and len(found) < most:
        found.append(held.popleft())
    return found


_outboxes: dict[tuple[object, ...], Outbox] = {}


def outbox_of(*broker: object) -> Outbox:
    """Return this process's outbox for *broker*, whatever tells it from others."""
    return _outboxes.setdefault(broker, Outbox())


def _forget() -> None:
    for outbox in _outboxes.values():
        outbox.acks.clear()
        outbox.returns.clear()


# A forked child has nothing to say for its parent.
os.register_at_fork(after_in_child=_forget)
