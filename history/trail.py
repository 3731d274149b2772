"""What befell one session: events that Redis has, and then those that SQL has."""

from typing import Final

from sqlalchemy import Engine

from history.names import Names
from history.tables.events import events_of
from limpet.errors import StoreUnavailable
from sessions.store import SessionStore

#: Audit events looked through for those of one session: one reply of about 0.1 MB.
_MOST: Final = 1000


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
            {"at": key.partition("-")[0]}
            | {name: value for name, value in event.items() if name != "ended"}
            for key, event in found
            if session_id in (event.get("session"), *event.get("sessions", "").split())
        ]
        first = int(found[-1][0].partition("-")[0]) if found else None
        return recent + self._older(session_id, first)

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
