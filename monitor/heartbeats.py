"""How many workers of ours there are, as Flower has heard from them."""

import time
from typing import Any, Final

from limpet.names import WORKER_IDENT

#: Seconds for which a worker may be silent: they beat every two, and machines are busy.
_SILENT: Final = 15.0


class Heartbeats:
    """Counts workers without asking any: they tell Flower all the time."""

    def __init__(self) -> None:
        self._since = time.time()
        self._count = 0

    def note(self, state: Any) -> None:
        """Count ours in *state*, Flower's memory of events."""
        oldest = time.time() - _SILENT
        # One that has said that it stops has no heartbeats left.
        heard = (
            one.heartbeats
            for one in state.workers.values()
            if one.sw_ident == WORKER_IDENT
        )
        self._count = sum(bool(beats) and beats[-1] > oldest for beats in heard)

    def __call__(self) -> int | None:
        """Return how many there were, `None` where it is too early to tell."""
        if not self._count and time.time() - self._since < _SILENT:
            return None
        return self._count
