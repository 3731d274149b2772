"""How the proxies of a pool are doing, taken together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

#: Fields of a live proxy that a census looks at, beside its sessions; one without a
#: state is there all the same, and damaged.
FIELDS: Final = ("state", "inflight")
_STATES: Final = frozenset({"unknown", "healthy", "degraded", "unhealthy", "dead"})
#: No proxy has as many sessions.
_MOST: Final = 2**31


@dataclass(frozen=True, slots=True)
class Census:
    """Proxies by state, and how sessions are spread over those that may be chosen.

    *states* are scaled up where only some were looked at; *sessions_skew* is the most
    on one proxy in times of the mean, 0 without sessions. Of the *usable* ones, which
    may be chosen, *loads* are the sessions on each that was looked at, the fewest
    first. The *damaged* ones cannot be read, and count as not there.
    """

    states: dict[str, int]
    looked_at: int
    sessions_min: int
    sessions_max: int
    sessions_mean: float
    sessions_skew: float
    usable: int
    loads: Sequence[int]
    damaged: int = 0

    @classmethod
    def of(
        cls, groups: Sequence[tuple[int, Sequence[Mapping[str, str] | None]]]
    ) -> Self:
        """Make it of groups: how many there are, and those that were looked at.

        The first group are the ones that may be chosen. A row is empty for a proxy that
        went meanwhile, and `None` for one that cannot be read.
        """
        states: Counter[str] = Counter()
        read = [[_read(row) for row in rows if row != {}] for _, rows in groups]
        for (number, _), rows in zip(groups, read, strict=True):
            found = Counter(state for state, _ in filter(None, rows))
            for state, count in found.items():
                states[state] += _scaled(count, number, len(rows))
        loads = sorted(sessions for _, sessions in filter(None, read[0]))
        mean = sum(loads) / len(loads) if loads else 0.0
        return cls(
            states=dict(sorted(states.items())),
            looked_at=sum(len(rows) for _, rows in groups),
            sessions_min=min(loads, default=0),
            sessions_max=max(loads, default=0),
            sessions_mean=round(mean, 2),
            sessions_skew=round(max(loads) / mean, 3) if mean else 0.0,
            usable=_scaled(len(loads), groups[0][0], len(read[0])),
            loads=loads,
            damaged=sum(row is None for rows in read for row in rows),
        )


def _scaled(count: int, number: int, looked_at: int) -> int:
    """Return *count* of those *looked_at* as of all; the same if these are all."""
    return round(count * max(number, looked_at) / looked_at) if looked_at else 0


def _read(row: Mapping[str, str] | None) -> tuple[str, int] | None:
    """Return state and sessions of a proxy, `None` if that is not what is there."""
    try:
        state, sessions = (row or {})["state"], int((row or {})["sessions"])
    except (KeyError, ValueError):
        return None
    return (state, sessions) if state in _STATES and 0 <= sessions < _MOST else None
