"""What is known of beat."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Beat:
    """The beat that sends; times are Unix seconds of the session Redis, or 0.

    *name* is the one that is *active*, or the last one that was: host and process. It
    has been so *since*, and last looked at *tick*. *sent* says when each entry of the
    schedule was sent last; *now* is the time of the look.
    """

    active: bool
    name: str
    since: float
    tick: float
    sent: dict[str, float]
    now: float

    @property
    def silent(self) -> float | None:
        """Seconds since a beat last looked; `None` when none ever did."""
        return max(0.0, self.now - self.tick) if self.tick else None

    @classmethod
    def read(
        cls,
        row: Mapping[str, str],
        sent: Mapping[str, str],
        *,
        active: bool,
        now: tuple[int, int],
    ) -> Self:
        """Make it of what is in Redis; *now* is in seconds and microseconds."""
        seconds, micros = now
        return cls(
            active=active,
            name=row.get("name", ""),
            since=int(row.get("since", 0)) / 1000,
            tick=int(row.get("tick", 0)) / 1000,
            sent={name: int(at) / 1000 for name, at in sent.items()},
            now=seconds + micros / 1e6,
        )
