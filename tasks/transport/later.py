"""Messages that are for later wait in a place of their own, not in a worker.

A worker that held them could take nothing else once it held as many as it may. So what
has an ETA is put away by the claim that finds it, or at once by who publishes it with
this transport; a claim takes what is due. A worker that hears that a job was cancelled
calls it back, and drops it.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from limpet.scripts import Script
from tasks.transport.keyed import client_of, waiting_key
from tasks.transport.taking import Taking

_PUT_OFF: Final = Script("tasks", "put_off")
_RECALL: Final = Script("tasks", "recall")
#: Longest id by which a message is known while it waits; as in the claim.
_ID_MAX: Final = 255


class Later(Taking):
    """The part of a channel that knows of messages that wait."""

    _expires: Any

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        """Send a message: to its list, or where it waits.

        Of a batch, and of a queue that expires, the claim puts away what is for later.
        """
        at = _due(message.get("headers"))
        plain = kwargs.get("_publish_batch") or queue in (self._expires or ())
        if at is None or plain:
            super()._put(queue, message, **kwargs)
            return
        task_id = str(message["headers"].get("id") or "")
        name = task_id if 0 < len(task_id) <= _ID_MAX else self._tag(message)
        keys = [self._waiting, *self._times([queue])]
        self._run(_PUT_OFF, keys, [name, json.dumps(message), f"{at:.6f}"])

    def recall(self, task_ids: Sequence[str]) -> None:
        """Take jobs that wait, now; their consumer is to drop them."""
        queues = list(self.active_queues)
        keys = [*self._unacked()[:3], self._waiting, *self._times(queues)]
        for task_id in self._which_wait(task_ids):
            if found := self._run(_RECALL, keys, [task_id, *queues]):
                queue, tag, text = found
                self.claimed.add(tag.decode())
                self._give(queue.decode(), tag.decode(), text)

    def _which_wait(self, task_ids: Sequence[str]) -> list[str]:
        client = client_of(self)
        if not task_ids:
            return []
        found = client.hmget(self._waiting, task_ids)
        return [one for one, text in zip(task_ids, found, strict=True) if text]

    def _purge(self, queue: str) -> int:
        gone: int = super()._purge(queue)
        return gone + self._drop(queue)

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        super()._delete(queue, *args, **kwargs)
        self._drop(queue)

    def _drop(self, queue: str) -> int:
        [times] = self._times([queue])
        client = client_of(self)
        names = client.zrange(times, 0, -1)
        if not names:
            return 0
        gone: int = client.hdel(self._waiting, *names)
        client.zrem(times, *names)
        return gone

    @property
    def _waiting(self) -> str:
        return waiting_key(self)

    @staticmethod
    def _tag(message: dict[str, Any]) -> str:
        return str(message["properties"]["delivery_tag"])


def _due(headers: Any) -> float | None:
    """Return when a message is to be taken (Unix time), `None` for at once."""
    if not isinstance(headers, dict) or not headers.get("eta"):
        return None
    times = [_unix(headers.get(name)) for name in ("eta", "expires")]
    return min(time for time in times if time is not None) if times[0] else None


def _unix(text: object) -> float | None:
    with suppress(TypeError, ValueError, OverflowError):
        found = datetime.fromisoformat(text)  # type: ignore[arg-type] # see TypeError
        return found.timestamp() if found.tzinfo else None
    return None
