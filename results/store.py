"""What must happen once: jobs with a key, and webhooks. Each change is one script."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final

from redis import Redis

from limpet.connection import STORE_ERRORS, store_error
from limpet.keys import Keys
from limpet.scripts import Script

#: Of a key or a receiver, which may be secret, Redis gets a hash.
_HASH: Final = 32


class ClaimState(StrEnum):
    """Whose an idempotency key is."""

    MINE = "F"
    RUNNING = "R"
    DONE = "D"
    #: The key was used for a job that asks for something else.
    OTHER_JOB = "X"


class DeliveryState(StrEnum):
    """Whether a webhook may be delivered now."""

    GO = "G"
    DONE = "D"
    WAIT = "B"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook, and the *receiver* that it goes to; both are names of ours."""

    id: str
    receiver: str


@cache
def _script(name: str) -> Script:
    return Script("results", name)


class OnceStore:
    """Redis for one pool; raises `StoreUnavailable` when Redis does not do its work."""

    def __init__(self, client: Redis, pool: str) -> None:
        self._client = client
        self._keys = Keys(pool)

    def claim(
        self, key: str, task_id: str, *, fingerprint: str, window: float, hold: float
    ) -> tuple[ClaimState, str]:
        """Take *key*, or say whose task it is; *window* and *hold* in seconds."""
        arguments = [task_id, fingerprint, _ms(window), _ms(hold)]
        state, owner = self._run("claim", [self._claim(key)], arguments)
        return ClaimState(state.decode()), owner.decode()

    def finish(self, key: str, task_id: str, *, done: bool) -> bool:
        """Say how it ended; return whether the key was still this task's."""
        return bool(self._run("finish", [self._claim(key)], [task_id, int(done)]))

    def announced(self, delivery: Delivery) -> bool:
        """Whether a webhook was given to the queue, or even delivered."""
        try:
            return bool(self._client.exists(self._places(delivery)[0]))
        except STORE_ERRORS as error:
            raise store_error(error) from None

    def announce(self, delivery: Delivery, *, keep: float) -> None:
        """Remember for *keep* seconds that a webhook was given to the queue."""
        try:
            key = self._places(delivery)[0]
            self._client.set(key, "sent", nx=True, px=_ms(keep))
        except STORE_ERRORS as error:
            raise store_error(error) from None

    def deliver(
        self, delivery: Delivery, token: str, *, hold: float
    ) -> tuple[DeliveryState, float]:
        """Begin a try of *hold* seconds at most; return too how long to wait."""
        arguments: list[Any] = [token, _ms(hold)]
        state, wait = self._run("deliver", self._places(delivery), arguments)
        return DeliveryState(state.decode()), wait / 1000

    def delivered(self, delivery: Delivery, token: str, *, keep: float) -> None:
        """Have it never sent again, for *keep* seconds."""
        self._run("delivered", self._places(delivery), [token, "done", _ms(keep), 0])

    def undelivered(
        self, delivery: Delivery, token: str, *, keep: float, rest: float
    ) -> None:
        """End a try that failed; the receiver is left alone for *rest* seconds."""
        arguments = [token, "sent", _ms(keep), _ms(rest)]
        self._run("delivered", self._places(delivery), arguments)

    def _claim(self, key: str) -> str:
        return self._keys.claims + _hash(key)

    def _places(self, delivery: Delivery) -> list[str]:
        receiver = self._keys.receivers + _hash(delivery.receiver)
        return [self._keys.deliveries + delivery.id, receiver]

    def _run(self, name: str, keys: list[str], arguments: list[Any]) -> Any:
        try:
            return _script(name)(self._client, keys, arguments)
        except STORE_ERRORS as error:
            raise store_error(error) from None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
