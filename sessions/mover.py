"""Move sessions from one proxy to another, not for a request's sake."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from limpet.errors import InvalidSelection, SessionBusy, SessionLost, StoreDamaged
from proxies import ProxyPool, Selection
from sessions.info import SessionInfo
from sessions.session import Moved
from sessions.store import SessionStore

#: Sessions moved in one step; each may cost a choice of a proxy.
_MOVE_STEP: Final = 50
#: Sessions looked at in one step of a sweep, most of which are to stay.
_SWEEP_STEP: Final = 200


class SessionMover:
    """Moves the sessions of one pool; see `SessionManager`."""

    def __init__(
        self,
        pool: str,
        store: SessionStore,
        proxies: ProxyPool,
        *,
        selection: Selection,
    ) -> None:
        self.pool = pool
        self.selection = selection
        self._store = store
        self._proxies = proxies

    def get(self, session_id: str) -> SessionInfo | None:
        [fields] = self._store.fields([session_id])
        return SessionInfo.read(self.pool, session_id, fields) if fields else None

    def migrate(self, session_id: str, to: str) -> None:
        """Move the session to the proxy with the id *to*.

        Raises:
            SessionBusy: a request of it is on its way.
            InvalidSelection: *to* is no proxy that may be used now.
            SessionLost: there is no such session.
            StoreDamaged: what is there is none.
        """
        while True:
            reply = self._move([session_id], leave="", to=to, reason="migrated")
            if reply[0] == b"P":
                raise InvalidSelection("to", "a proxy of the pool that may be used now")
            if reply[1]:
                raise SessionBusy(self.pool, session_id, 1.0)
            if reply[0]:
                return
            # It is there already, or is gone; by now another may have its name.
            info = self.get(session_id)
            if info and info.damaged:
                raise StoreDamaged(f"session {session_id!r} cannot be read")
            if info is None:
                raise SessionLost(self.pool, session_id, None, "is not there")
            if info.proxy == to:
                return

    def evacuate(self, proxy_id: str) -> Iterator[Moved]:
        """Move all sessions of a proxy to others, and say after each step how many.

        Those in use move at their next use, once the proxy's mode says so.
        """
        cursor = 0
        while True:
            cursor, names = self._store.ids(cursor, _MOVE_STEP)
            if names:
                reply = self._move(names, leave=proxy_id, to="", reason="evacuating")
                yield Moved(*map(int, reply))
            if not cursor:
                return

    def sweep(self, proxies: Collection[str], cursor: int) -> tuple[int, Moved]:
        """Move some sessions off *proxies*; return where to go on, 0 at the end.

        One step of a walk through the whole pool, which begins at 0: for many proxies
        at a time, and to be gone on with later.
        """
        cursor, names = self._store.ids(cursor, _SWEEP_STEP)
        leaving: dict[str, list[str]] = {}
        for name, proxy in zip(names, self._store.homes(names), strict=True):
            if proxy in proxies:
                leaving.setdefault(proxy, []).append(name)
        moved = used = stuck = 0
        for proxy, found in leaving.items():
            reply = self._move(found, leave=proxy, to="", reason="evacuating")
            moved, used = moved + int(reply[0]), used + int(reply[1])
            stuck += int(reply[2])
        return cursor, Moved(moved, used, stuck)

    def _move(
        self, names: Sequence[str], *, leave: str, to: str, reason: str
    ) -> Sequence[Any]:
        plan = self.selection.plan
        while True:
            reply = self._store.move(
                names, leave=leave, to=to, reason=reason, plan=plan
            )
            if reply[0] != b"I":
                return reply
            self._proxies.build(reply[1].decode())
