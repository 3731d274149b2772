"""What a rule says, and what all of them say together."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How something is, from best to worst; what is not known is nobody's alarm."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"

    @property
    def rank(self) -> int:
        """0 for what is not known or healthy, 1 degraded, 2 down: an exit code."""
        return max(0, list(Status).index(self) - 1)


@dataclass(frozen=True, slots=True)
class Check:
    """One rule about one thing: the whole, or one *pool*.

    *value* and *limit* are in the unit that *text* names; `None` where there is no
    number. *advice* says what to do, and is empty where there is nothing to be done.
    None of it is secret: it goes to pages that anybody may see.
    """

    name: str
    status: Status
    text: str
    pool: str = ""
    value: float | None = None
    limit: float | None = None
    advice: str = ""

    @property
    def id(self) -> str:
        """What an alert of it is called: ``sql``, ``proxies:default``."""
        return f"{self.name}:{self.pool}" if self.pool else self.name

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "check": self.name,
            "pool": self.pool or None,
            "status": self.status.value,
            "value": self.value,
            "limit": self.limit,
            "text": self.text,
            "advice": self.advice or None,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of one moment, in the order of the rules."""

    checks: tuple[Check, ...]

    @property
    def status(self) -> Status:
        """The worst of them."""
        worst = max((check.status.rank for check in self.checks), default=0)
        return (Status.HEALTHY, Status.DEGRADED, Status.DOWN)[worst]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        checks = [check.as_json() for check in self.checks]
        return {"status": self.status.value, "checks": checks}
