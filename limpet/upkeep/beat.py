"""What is known of beat."""

from dataclasses import dataclass
from typing import Self

from limpet.upkeep.reading import Reading


@dataclass(frozen=True, slots=True)
class Beat:
    """The beat that sends; times are Unix seconds of the session Redis, or 0.

    *name* is the one that is *active*, or the last one that was: host and process. It
    has been so *since*, and last looked at *tick*. *sent* says when each entry of the
    schedule was sent last; *now* is the time of the look. Where something else has
    written what cannot be it is *damaged*, and that as if nothing were known.
    """

    active: bool
    name: str
    since: float
    tick: float
    sent: dict[str, float]
    now: float
    damaged: bool = False

    @property
    def silent(self) -> float | None:
        """Seconds since a beat last looked; `None` when none ever did."""
        return max(0.0, self.now - self.tick) if self.tick else None

    @classmethod
    def read(
        cls, row: Reading, sent: Reading, *, active: bool, now: tuple[int, int]
    ) -> Self:
        """Make it of what is in Redis; *now* is in seconds and microseconds."""
        seconds, micros = now
        name, since, tick = row.text("name"), row.seconds("since"), row.seconds("tick")
        times = {entry: at / 1000 for entry, at in sent.numbers().items()}
        return cls(
            active=active,
            name=name,
            since=since,
            tick=tick,
            sent=times,
            now=seconds + micros / 1e6,
            damaged=row.damaged or sent.damaged,
        )
