"""Redis rebuilt from the copies of its sessions, bindings and all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from history.store import HistoryStore
from history.tables import checkpoints, events
from history.tables.checkpoints import Copy
from limpet.errors import ConfigurationError
from limpet.sealing import Sealer
from sessions import SessionManager

#: Copies read at a time; their states are at most 100 MB together.
_BATCH: Final = 100

Told = Callable[[int, int], None]


@dataclass(slots=True)
class Restoration:
    """What became of the copies of a pool's sessions.

    *restored* sessions are back, *moved* of them at another proxy, since theirs may not
    be used. Left as it is: what was *there* already, what was *too_old* (its time is
    over), and what had *ended* after it was copied. Left out: those *homeless*, for
    which there is no proxy, and those *unreadable*, whose id no key of ours opens.
    """

    restored: int = 0
    moved: int = 0
    there: int = 0
    too_old: int = 0
    ended: int = 0
    homeless: int = 0
    unreadable: int = 0


class Restorer:
    """Brings sessions of one pool back; raises `StoreUnavailable`."""

    def __init__(
        self,
        store: HistoryStore,
        engine: Engine,
        sealer: Sealer,
    ) -> None:
        self._store = store
        self._engine = engine
        self._sealer = sealer

    def restore(
        self, sessions: SessionManager, *, dry: bool = False, told: Told | None = None
    ) -> Restoration:
        """Bring back what is in SQL; a session that lives is never changed.

        May be repeated, and run while jobs do. With *dry* nothing is changed, and none
        is *moved* or *homeless* yet. *told* is called with the copies done, and all.
        """
        done, count = Restoration(), 0
        every = checkpoints.count(self._engine, sessions.pool)
        for batch in checkpoints.batches(self._engine, sessions.pool, _BATCH):
            for copy, session_id in self._wanted(sessions.pool, batch, done):
                if dry:
                    lives = sessions.get(session_id) is not None
                    done.there += lives
                    done.restored += not lives
                else:
                    self._put_back(sessions, session_id, copy, done)
            count += len(batch)
            if told:
                told(count, max(count, every))
        return done

    def _wanted(
        self, pool: str, batch: list[Copy], done: Restoration
    ) -> Iterator[tuple[Copy, str]]:
        over = events.ended(self._engine, pool, [copy.session for copy in batch])
        now = self._store.now_ms()
        for copy in batch:
            if copy.expires_ms <= now:
                done.too_old += 1
            elif (copy.session, copy.created_ms) in over:
                done.ended += 1
            elif (session_id := self._name(copy)) is None:
                done.unreadable += 1
            else:
                yield copy, session_id

    def _name(self, copy: Copy) -> str | None:
        if not copy.name:
            return copy.session
        try:
            return self._sealer.open(copy.name)
        except ConfigurationError:
            return None

    @staticmethod
    def _put_back(
        sessions: SessionManager, session_id: str, copy: Copy, done: Restoration
    ) -> None:
        status, proxy = sessions.put_back(
            session_id, copy.proxy, copy.fields, copy.state or b""
        )
        done.restored += status == "P"
        done.moved += status == "P" and proxy != copy.proxy
        done.there += status == "K"
        done.homeless += status == "N"
