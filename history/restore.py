"""Redis rebuilt from the copies of its sessions, bindings and all.

A session may have several copies, and its end may be written under another name than a
copy of it: ids are hashed in SQL once there is a key for it, and otherwise when that is
another one. So copies are compared by the id that they are of, which each of them has,
and its end is looked for under every name that it is known to have had: the id itself,
the name under today's key, and those of all its copies. What nobody can know is an end
that was written under a key which is neither today's nor that of any copy.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from history.names import Names
from history.store import HistoryStore
from history.tables import checkpoints, events
from history.tables.checkpoints import Copy
from limpet.errors import ConfigurationError
from limpet.sealing import Sealer
from sessions import SessionManager

#: Copies read at a time; their states are at most 100 MB together.
_BATCH: Final = 100
#: Names read at a time.
_NAMES: Final = 1000

Told = Callable[[int, int], None]


@dataclass(slots=True)
class Restoration:
    """What became of the copies of a pool's sessions.

    *restored* sessions are back, *moved* of them at another proxy, since theirs may not
    be used. Left as it is: what was *there* already, what was *too_old* (its time is
    over), what had *ended* after it was copied, and a copy that is *outdated*, since
    there is a newer one of that session under another name. Left out: those *homeless*,
    for which there is no proxy, and those *unreadable*, whose id no key of ours opens.
    """

    restored: int = 0
    moved: int = 0
    there: int = 0
    too_old: int = 0
    ended: int = 0
    outdated: int = 0
    homeless: int = 0
    unreadable: int = 0


class Restorer:
    """Brings sessions of one pool back; raises `StoreUnavailable`."""

    def __init__(
        self,
        store: HistoryStore,
        engine: Engine,
        sealer: Sealer,
        names: Names,
    ) -> None:
        self._store = store
        self._engine = engine
        self._sealer = sealer
        self._names = names

    def restore(
        self, sessions: SessionManager, *, dry: bool = False, told: Told | None = None
    ) -> Restoration:
        """Bring back what is in SQL; a session that lives is never changed.

        May be repeated, and run while jobs do. With *dry* nothing is changed, and none
        is *moved* or *homeless* yet. *told* is called with the copies done, and all.
        """
        done, count = Restoration(), 0
        every = checkpoints.count(self._engine, sessions.pool)
        aliases = self._aliases(sessions.pool)
        for batch in checkpoints.batches(self._engine, sessions.pool, _BATCH):
            for copy, session_id in self._wanted(sessions.pool, batch, aliases, done):
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

    def _aliases(self, pool: str) -> dict[str, set[str]]:
        """Find the copies that are called otherwise than they would be today, by id.

        As long as the key has not changed there are none.
        """
        found: dict[str, set[str]] = {}
        for names in checkpoints.names(self._engine, pool, _NAMES):
            for label, sealed in names:
                session_id = self._id(label, sealed)
                if session_id is not None and label != self._names.label(session_id):
                    found.setdefault(session_id, set()).add(label)
        return found

    def _wanted(
        self,
        pool: str,
        batch: Sequence[Copy],
        aliases: dict[str, set[str]],
        done: Restoration,
    ) -> Iterator[tuple[Copy, str]]:
        ids = {copy.session: self._id(copy.session, copy.name) for copy in batch}
        called = {
            label: {label, *self._called(session_id, aliases)}
            for label, session_id in ids.items()
        }
        every = sorted(set().union(*called.values()))
        over = events.ended(self._engine, pool, every)
        written = checkpoints.written(self._engine, pool, every)
        now = self._store.now_ms()
        for copy in batch:
            names, session_id = called[copy.session], ids[copy.session]
            newest = max(written.get(name, 0) for name in names)
            if copy.expires_ms <= now:
                done.too_old += 1
            elif any((name, copy.created_ms) in over for name in names):
                done.ended += 1
            elif session_id is None:
                done.unreadable += 1
            elif copy.written_ms < newest:
                done.outdated += 1
            else:
                yield copy, session_id

    def _called(self, session_id: str | None, aliases: dict[str, set[str]]) -> set[str]:
        if session_id is None:
            return set()
        today = self._names.label(session_id)
        return {session_id, today, *aliases.get(session_id, ())}

    def _id(self, label: str, sealed: str) -> str | None:
        if not sealed:
            return label
        try:
            return self._sealer.open(sealed)
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
