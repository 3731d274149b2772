"""Alerts: what has changed since it was last told, each change once."""

import json
from dataclasses import asdict, dataclass
from operator import itemgetter
from typing import Any, Final, Self

import structlog

from health.check import Report, Status
from health.store import HealthStore
from history.store import moment

#: Changes that wait to be sent on; with more the receiver has been away for long, and
#: the events have them all.
KEPT: Final = 1000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """An *alert* (a check's id) that *was* as it was, and is *status* since then.

    *since* is Unix time; *id* is that of its audit event. Nothing in it is secret.
    """

    id: str
    alert: str
    was: Status
    status: Status
    since: float
    text: str

    @classmethod
    def load(cls, told: bytes) -> Self:
        """Read what ``lua/tell.lua`` has made."""
        found = json.loads(told)
        return cls(
            id=found["id"],
            alert=found["alert"],
            was=Status(found["was"]),
            status=Status(found["status"]),
            since=found["since"] / 1000,
            text=found["text"],
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, the check and its pool apart."""
        check, _, pool = self.alert.partition(":")
        return {**asdict(self), "check": check, "pool": pool or None}


class Alerts:
    """What is known to be wrong, kept in Redis; any number of processes may tell it."""

    def __init__(self, store: HealthStore, *, after: float, outbox: bool) -> None:
        """A change has to last *after* seconds; *outbox* keeps it for `unsent`."""
        self._store = store
        self._after = after
        self._kept = KEPT if outbox else 0

    def tell(self, report: Report) -> list[Change]:
        """Compare *report* with what was told, and return what is new.

        Each change is returned to one caller, whoever else compares at the same time;
        it is an audit event by then.
        """
        checks = [(one.id, one.status.value, one.text) for one in report.checks]
        told = self._store.tell(checks, after=self._after, most=self._kept)
        return [Change.load(one) for one in told]

    def unsent(self) -> list[Change]:
        """Return changes that nobody has called `sent` for, the oldest first.

        What is none, since something else has written it, is forgotten.
        """
        found = []
        for name, text in self._store.unsent().items():
            try:
                found.append((moment(name), Change.load(text)))
            except (ValueError, KeyError, TypeError):
                log.error("alert_not_sent", change=name)  # noqa: TRY400 - no stack
                self._store.sent(name)
        return [change for _, change in sorted(found, key=itemgetter(0))]

    def sent(self, change: Change) -> None:
        """Have *change* sent no more."""
        self._store.sent(change.id)
