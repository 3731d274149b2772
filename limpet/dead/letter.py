"""One dead letter: a job that will never succeed, or a message that is no job."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from limpet.sealing import Sealer

#: Longest text of an error, id, task or queue that is kept; all may come from outside.
ERROR_MAX: Final = 2000
NAME_MAX: Final = 255
#: Longest payload that is kept, before it is sealed: a job with a 1 MB form fits.
PAYLOAD_MAX: Final = 2_000_000


class Reason(StrEnum):
    """Why a letter is dead."""

    FAILED = "failed"
    INVALID = "invalid"
    UNKNOWN = "unknown_task"
    REJECTED = "rejected"
    MALFORMED = "malformed"
    LOST = "lost"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Letter:
    """What is kept of it.

    *id* is the job's, or made from the contents of a message that has none. *payload*
    is JSON, sealed when there is a key: ``args``, ``kwargs`` and ``priority`` of a job,
    ``raw`` text of a message that is none. It is empty if there was too much of it.
    *at* is Unix time.
    """

    id: str
    task: str
    queue: str
    reason: Reason
    error: str
    payload: str
    at: float = field(default_factory=time.time)

    @classmethod
    def seal(  # noqa: PLR0913 - a field each
        cls,
        sealer: Sealer,
        payload: Mapping[str, Any],
        *,
        reason: Reason,
        error: str,
        id: str,  # noqa: A002 - it is called so everywhere
        task: str,
        queue: str,
    ) -> Self:
        """Make a letter; what is too long of it is cut, or left out."""
        text = json.dumps(payload, default=str)
        kept = sealer.seal(text) if len(text) <= PAYLOAD_MAX else ""
        return cls(
            id=clean(id, NAME_MAX),
            task=clean(task, NAME_MAX),
            queue=clean(queue, NAME_MAX),
            reason=reason,
            error=clean(error, ERROR_MAX),
            payload=kept,
        )

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str | bytes) -> Self:
        found = json.loads(text)
        return cls(**{**found, "reason": Reason(found["reason"])})

    def contents(self, sealer: Sealer) -> dict[str, Any]:
        """Return the payload.

        Raises:
            ConfigurationError: it was sealed under a key that we do not have.
        """
        found = json.loads(sealer.open(self.payload)) if self.payload else {}
        return dict(found)


def clean(text: str, most: int) -> str:
    """Return *text* as it is kept: *most* characters that every database takes."""
    # PostgreSQL takes no NUL, and no half of a surrogate pair.
    plain = text.encode("utf-8", "replace").decode().replace("\0", "�")
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"
