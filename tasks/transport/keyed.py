"""What a channel keeps in Redis, and how it calls its scripts.

``unacked``         hash   delivery tag → [message, "", queue]
``unacked_index``   zset   delivery tag → when its worker was last heard of (Unix time)
``unacked_ours``    zset   the same of what a worker with this transport holds: others
                           never say that they live, and sweep theirs themselves
``unacked_idle``    set    delivery tags of those that had not begun when they were
                           last heard of
``unacked_waiting`` hash   job's id → a message that is for later, as it was sent
``unacked_due:<queue>`` zset job's id → when it is due (Unix time)
``unacked_sweeps``  hash   when sweeps were made last, and since when without a gap
``unacked_parked``  hash   SHA-1 → queue, time and a message that nobody could read
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from kombu.transport import redis as stock
from redis import Redis

from limpet.scripts import Script

#: What is kept of messages that were taken, after kombu's two keys: those that a worker
#: of ours holds, and those of them that have not begun.
_HELD: Final = ("", "_ours", "_idle")


def waiting_key(channel: Any) -> str:
    """Return where messages wait; *channel* may be kombu's own, too."""
    return f"{channel.global_keyprefix}{channel.unacked_key}_waiting"


def times_key(channel: Any, queue: str) -> str:
    """Return where it stands when those of *queue* are due."""
    return f"{channel.global_keyprefix}{channel.unacked_key}_due:{queue}"


def client_of(channel: Any) -> Any:
    """Return a client over a channel's pool, which prefixes no keys."""
    return Redis(connection_pool=channel.pool)


class Keyed(stock.Channel):
    """Names the keys; they are kombu's, and some beside them."""

    _q_for_pri: Callable[[str, int], str]
    _pool: Any

    def _key(self, name: str) -> str:
        # Kombu's client would prefix the first key of a script and no other.
        return f"{self.global_keyprefix}{name}"

    def _unacked(self, *more: str) -> list[str]:
        """Return the keys of what is held, and *more* beside them."""
        names = (*_HELD, *(f"_{name}" for name in more))
        keys = [f"{self.unacked_key}{name}" for name in names]
        return [
            self._key(name) for name in (keys[0], self.unacked_index_key, *keys[1:])
        ]

    def _times(self, queues: Sequence[str]) -> list[str]:
        """Return the keys of when the waiting messages of *queues* are due."""
        return [times_key(self, queue) for queue in queues]

    def _run(self, script: Script, keys: list[str], args: list[Any]) -> Any:
        return script(client_of(self), keys, args)

    def _lists(self, queues: list[str]) -> list[str]:
        """Return the keys of *queues* in the order of priority."""
        places = [(q, p) for p in self.priority_steps for q in queues]
        return [self._key(self._q_for_pri(*place)) for place in places]

    def _claiming(
        self, most: int, acks: Sequence[str], queues: list[str]
    ) -> tuple[list[str], list[Any]]:
        """Return keys and arguments of a claim."""
        keys = self._unacked("parked", "waiting") + self._times(queues)
        return keys + self._lists(queues), [
            *(most, len(acks), len(queues)),
            *acks,
            *queues,
        ]
