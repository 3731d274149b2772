"""How the proxies of a pool are doing, taken together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

#: Fields of a live proxy that a census looks at.
FIELDS: Final = ("state", "sessions")


@dataclass(frozen=True, slots=True)
class Census:
    """Proxies by state, and how sessions are spread over those that may be chosen.

    *states* are scaled up where only some were looked at; *sessions_skew* is the most
    on one proxy in times of the mean, 0 without sessions. *loads* are the sessions on
    each of those that may be chosen and were looked at, the fewest first.
    """

    states: dict[str, int]
    looked_at: int
    sessions_min: int
    sessions_max: int
    sessions_mean: float
    sessions_skew: float
    loads: Sequence[int]

    @classmethod
    def of(cls, groups: Sequence[tuple[int, Sequence[Mapping[str, str]]]]) -> Self:
        """Make it of groups: how many there are, and those that were looked at.

        The first group are the ones that may be chosen.
        """
        states: Counter[str] = Counter()
        for number, rows in groups:
            found = Counter(row["state"] for row in rows if row)
            looked_at = found.total()
            for state, count in found.items():
                # Of a group that was looked at whole this changes nothing.
                states[state] += round(count * max(number, looked_at) / looked_at)
        loads = sorted(int(row["sessions"]) for row in groups[0][1] if row)
        mean = sum(loads) / len(loads) if loads else 0.0
        return cls(
            states=dict(sorted(states.items())),
            looked_at=sum(len(rows) for _, rows in groups),
            sessions_min=min(loads, default=0),
            sessions_max=max(loads, default=0),
            sessions_mean=round(mean, 2),
            sessions_skew=round(max(loads) / mean, 3) if mean else 0.0,
            loads=loads,
        )
