"""When a webhook is tried again, and when it has failed.

Waits have full jitter: anything from nothing to the bound, which doubles. What waits
longer than a message may be held looks at its clock in between and waits on.
"""

import random
import time
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from limpet.errors import JobFailed
from limpet.settings import Settings
from tasks.sender import Answer

#: Message header that carries the tries from run to run.
HEADER: Final = "limpet_webhook"
#: The bound of a wait, in seconds.
_LONGEST: Final = 3600.0
#: Longer than this no message is held at once; see `tasks.retry`.
_HELD: Final = 60.0


@dataclass(frozen=True, slots=True)
class Tries:
    """What a delivery has been through: *since* and *due* are Unix times."""

    since: float
    due: float = 0.0
    made: int = 0

    @classmethod
    def of(cls, headers: dict[str, Any] | None) -> Self:
        """Read it from a message's headers; none of ours there means the first run."""
        try:
            held = (headers or {})[HEADER]
            return cls(float(held["since"]), float(held["due"]), int(held["made"]))
        except (KeyError, TypeError, ValueError):
            return cls(time.time())

    def headers(self) -> dict[str, Any]:
        return {HEADER: {"since": self.since, "due": self.due, "made": self.made}}

    @property
    def early(self) -> bool:
        """Whether it is to wait on."""
        return time.time() < self.due

    def wait(self, config: Settings) -> float:
        """Seconds until the next look: until it is due, or less."""
        held = min(_HELD, config.visibility_timeout_seconds / 2)
        return min(max(0.0, self.due - time.time()), held)

    def after(self, answer: Answer, config: Settings) -> Self:
        """Return the tries with one more that failed.

        Raises:
            JobFailed: no other one is wanted, or no try or time is left.
        """
        now, made = time.time(), self.made + 1
        bound = config.webhook_backoff_seconds * 2.0 ** min(self.made, 32)
        # Spreads tries, hides nothing.
        wait = random.uniform(0, min(_LONGEST, bound))  # noqa: S311
        due = now + max(wait, answer.retry_after)
        last = due > self.since + config.webhook_max_age_seconds
        if answer.final or made >= config.webhook_max_tries or last:
            tries = "1 try" if made == 1 else f"{made} tries"
            age = now - self.since
            raise JobFailed(f"given up after {tries} in {age:.1f} s: {answer.text}")
        return replace(self, due=due, made=made)

    def later(self, seconds: float, config: Settings) -> Self:
        """Return the tries put off: nothing was sent, so none is burnt.

        Raises:
            JobFailed: no time is left.
        """
        now = time.time()
        # Spread, as all that wait for one receiver are told the same.
        due = now + seconds * random.uniform(1, 2)  # noqa: S311 - as above
        if due > self.since + config.webhook_max_age_seconds:
            raise JobFailed(f"given up after {now - self.since:.1f} s of waiting")
        return replace(self, due=due)
