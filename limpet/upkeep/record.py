"""What is known of the runs of one upkeep task."""

from dataclasses import dataclass, field
from typing import Any, Final, Self

from limpet.upkeep.reading import Reading


@dataclass(frozen=True, slots=True)
class Record:
    """The runs of one upkeep task; times are Unix seconds of the session Redis, or 0.

    *result* is what the last run that went well returned, *error* why the last one did
    not, empty if it did. *recent* has a mark for each of the last 100 runs, the newest
    last: ``.`` went well, ``x`` did not; a failed run that is tried again counts each
    time. *overlaps* were not begun, since another run was under way; of those that were
    *overtaken*, which hung until another one began, nothing else is written down.
    *first* is when the first run began. Where something else has written what cannot be
    it is *damaged*, and those fields are as if nothing were known.
    """

    first: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    duration_ms: int = 0
    last_ok: float = 0.0
    runs: int = 0
    failures: int = 0
    failures_in_row: int = 0
    overlaps: int = 0
    overtaken: int = 0
    recent: str = ""
    worker: str = ""
    error: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    damaged: bool = False

    @property
    def running(self) -> bool:
        """Whether the last run has not ended, or its worker died."""
        return self.started > self.ended

    @property
    def failure_rate(self) -> float:
        """The share of the last 100 runs that failed, 0 to 1."""
        return self.recent.count("x") / len(self.recent) if self.recent else 0.0

    @property
    def summary(self) -> str:
        """What the last run that went well did: ``sessions 12, leases 3``."""
        if not self.ended:
            return ""
        told = (
            f"{name.replace('_', ' ')} {value:,}"
            for name, value in self.result.items()
            if isinstance(value, int) and value and name != "duration_ms"
        )
        return ", ".join(told) or "nothing to do"

    @classmethod
    def read(cls, row: Reading) -> Self:
        """Make it of the hash in Redis; see ``lua/end_turn.lua``."""
        return cls(
            first=row.seconds("first"),
            started=row.seconds("started"),
            ended=row.seconds("ended"),
            duration_ms=row.number("ms"),
            last_ok=row.seconds("ok"),
            runs=row.number("runs"),
            failures=row.number("failures"),
            failures_in_row=row.number("in_row"),
            overlaps=row.number("overlaps"),
            overtaken=row.number("overtaken"),
            recent=row.text("recent"),
            worker=row.text("worker"),
            error=row.text("error"),
            result=row.json("result"),
            damaged=row.damaged,
        )


NEVER: Final = Record()
