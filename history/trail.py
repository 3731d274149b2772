"""What befell one session: events that Redis has, and then those that SQL has."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from history.names import Names
from history.tables.events import events_of, last_closed
from history.tables.writing import unix_ms
from limpet.errors import StoreUnavailable
from sessions.store import SessionStore

#: Audit events looked through for those of one session: one reply of about 0.1 MB.
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Ended:
    """How a session ended; times are Unix seconds, *bytes* those that it received."""

    session: str
    proxy: str
    created: float
    closed: float
    reason: str
    requests: int
    failovers: int
    bytes: int


class Trail:
    """Finds the events of sessions of one pool."""

    def __init__(
        self, pool: str, store: SessionStore, engine: Engine | None, names: Names
    ) -> None:
        """Without an *engine* there is only what Redis has."""
        self._pool = pool
        self._store = store
        self._engine = engine
        self._names = names

    def of(self, session_id: str) -> list[dict[str, str]]:
        """Return them, the newest first; ``at`` is in Unix ms.

        Raises:
            StoreUnavailable: the session Redis is away.
        """
        found = self._store.audit(_MOST)
        recent = [
            {name: value for name, value in event.items() if name != "ended"}
            | {"at": key.partition("-")[0]}
            for key, event in found
            if session_id in (event.get("session"), *event.get("sessions", "").split())
        ]
        first = int(found[-1][0].partition("-")[0]) if found else None
        return recent + self._older(session_id, first)

    def ended(self, session_id: str) -> Ended | None:
        """Return how the session of that name ended last, as far as SQL knows."""
        if self._engine is None:
            return None
        label = self._names.label(session_id)
        try:
            row = last_closed(self._engine, self._pool, label)
        except StoreUnavailable:  # as below
            return None
        if row is None:
            return None
        return Ended(
            session=session_id,
            proxy=row.proxy,
            created=unix_ms(row.created) / 1000,
            closed=unix_ms(row.closed) / 1000,
            reason=row.reason,
            requests=row.requests,
            failovers=row.failovers,
            bytes=row.bytes,
        )

    def _older(self, session_id: str, before_ms: int | None) -> list[dict[str, str]]:
        if self._engine is None:
            return []
        label = self._names.label(session_id)
        try:
            found = events_of(self._engine, self._pool, label, most=_MOST)
        except StoreUnavailable:  # the tables may be of an older version
            return []
        return [
            {**event, "session": session_id}
            for event in found
            if before_ms is None or int(event["at"]) < before_ms
        ]
