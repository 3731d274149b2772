"""One look at how things are, shared by everybody who wants to know."""

import asyncio
import time
from typing import Final

from health.question import Question
from health.survey import Seen, Survey

#: Seconds for which a look is good enough: pages and scrapers come more often.
_FRESH: Final = 2.0


class Watch:
    """Looks when somebody asks, in a thread: the loop that serves pages never waits.

    However many ask at once, there is one look, and it is over within the survey's
    timeout. While nobody asks, nobody is asked.
    """

    def __init__(self, survey: Survey) -> None:
        self._look = Question(survey.see)
        self._until = 0.0
        #: What was seen last; `None` before the first look.
        self.latest: Seen | None = None

    async def seen(self) -> Seen:
        """Return how things are, as of at most two seconds ago."""
        if self.latest is None or time.monotonic() >= self._until:
            # Who goes away while waiting does not take the answer from the others.
            seen = await asyncio.shield(asyncio.wrap_future(self._look.put()))
            self.latest, self._until = seen, time.monotonic() + _FRESH
        return self.latest
