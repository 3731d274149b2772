"""Look after the sessions of a pool: what is not on a request's way."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from limpet.errors import (
    ConfigurationError,
    InvalidSelection,
    SessionBusy,
    SessionLost,
    StateConflict,
    StateTooLarge,
    StateUnreadable,
)
from limpet.sealing import Sealer
from proxies import ProxyPool, Selection
from sessions.operation import TEMPORARY
from sessions.session import Expired, Moved, PoolStats, Reason, SessionInfo
from sessions.state import SessionState, decode, encode
from sessions.store import SessionStore

#: One snapshot a minute keeps a day in the live stream.
SNAPSHOTS_KEPT: Final = 1440
#: Sessions moved in one step; each may cost a choice of a proxy.
_MOVE_STEP: Final = 50
#: Sessions that one script of the clean-up looks at: about as long as the way to Redis
#: takes, so that hardly anybody sees that he waited. Half of it would double the work.
_EXPIRE_STEP: Final = 25
#: How long the clean-up rests after a batch, in times of what that took.
_EXPIRE_REST: Final = 3.0


class SessionKeeper:
    """What people and beat do with the sessions of one pool; see `SessionManager`."""

    def __init__(
        self,
        pool: str,
        store: SessionStore,
        proxies: ProxyPool,
        *,
        selection: Selection,
        sealer: Sealer,
    ) -> None:
        self.pool = pool
        self.selection = selection
        self._store = store
        self._proxies = proxies
        self._sealer = sealer

    # --- a session's state ------------------------------------------------------

    def state(self, session_id: str) -> SessionState | None:
        """Return the session's state, `None` when there is no such session."""
        version, blob = self._store.state(session_id)
        return None if version is None else decode(version, blob, self._sealer)

    def put_state(self, session_id: str, state: SessionState) -> int:
        """Replace the state that *state* was made from; return the new version.

        Raises:
            StateConflict: it is another one by now, or the session is gone.
            StateTooLarge: it does not fit.
            SessionBusy: its one holder alone may write it.
        """
        blob = encode(state, self._sealer)
        if blob is None:
            raise StateTooLarge(self.pool, session_id)
        status, version = self._store.put_state(session_id, state.version, blob)
        if status == b"B":
            raise SessionBusy(self.pool, session_id, version / 1000)
        if status != b"K":
            raise StateConflict(self.pool, session_id)
        return int(version)

    def set_metadata(self, session_id: str, **values: Any) -> bool:
        """Set values of the session's metadata; False when there is no such session.

        Other values stay, whoever writes at the same time. Raises `SessionBusy` while
        one holder has the session to itself.
        """
        while (state := self.state(session_id)) is not None:
            metadata = {**state.metadata, **values}
            try:
                self.put_state(session_id, state.patched({"metadata": metadata}))
            except StateConflict:
                continue
            return True
        return False

    # --- looking and tending ----------------------------------------------------

    def get(self, session_id: str) -> SessionInfo | None:
        [fields] = self._store.fields([session_id])
        return SessionInfo.read(self.pool, session_id, fields) if fields else None

    def list(
        self, cursor: int = 0, *, count: int = 100
    ) -> tuple[int, Sequence[SessionInfo]]:
        """Return about *count* sessions and where to go on, 0 at the end.

        What lives throughout is seen at least once, rarely twice.
        """
        cursor, names = self._store.ids(cursor, count)
        rows = zip(names, self._store.fields(names), strict=True)
        found = [SessionInfo.read(self.pool, name, row) for name, row in rows if row]
        return cursor, found

    def all(self) -> Iterator[SessionInfo]:
        """Go through all sessions, some at a time."""
        cursor, seen = 0, set[str]()
        while True:
            cursor, found = self.list(cursor)
            for info in found:
                if info.session not in seen:
                    seen.add(info.session)
                    yield info
            if not cursor:
                return

    def touch(self, session_id: str) -> bool:
        """Let the session's idle time start anew; False when there is none."""
        return self._store.touch(session_id)

    def close(self, session_id: str, reason: Reason = Reason.CLOSED) -> bool:
        """End the session; its next job starts a new one. False if there was none."""
        return bool(session_id) and self._store.close(session_id, reason)

    def clear(self, batch: int = 100) -> Iterator[int]:
        """End all sessions of the pool, and say after each step how many."""
        while ended := self._store.clear(batch):
            yield ended

    def migrate(self, session_id: str, to: str) -> None:
        """Move the session to the proxy with the id *to*.

        Raises:
            SessionBusy: a request of it is on its way.
            InvalidSelection: *to* is no proxy that may be used now.
            SessionLost: there is no such session.
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

    def expire(self, batch: int) -> Expired:
        """Clean up to *batch* sessions whose time is over, and leases of dead holders.

        In short scripts, so that requests pass between, and with a rest after them.
        """
        start = time.perf_counter()
        leases = self._store.reap(batch)
        sessions = looked = 0
        while looked < batch:
            step = min(batch - looked, _EXPIRE_STEP)
            seen, removed = self._store.expire(step)
            looked, sessions = looked + seen, sessions + removed
            if seen < step:
                break
        more = batch in {leases, looked}
        if more:
            time.sleep(_EXPIRE_REST * (time.perf_counter() - start))
        return Expired(sessions, leases, more=more)

    def stats(self) -> PoolStats:
        """Count what the pool holds; the cost does not grow with the pool."""
        *numbers, at_ms, counters, times = self._store.stats()
        names = [name.decode() for name in counters[::2]]
        totals = dict(zip(names, map(int, counters[1::2]), strict=True))
        bounds = map(int, times[::2])
        spread = dict(zip(bounds, map(int, times[1::2]), strict=True))
        sessions, expired, leases, warm, usable, cooling = numbers
        return PoolStats(
            pool=self.pool,
            at_ms=at_ms,
            sessions=sessions,
            expired_waiting=expired,
            leases=leases,
            warm=warm,
            proxies_up=usable,
            proxies_cooling=cooling,
            counters=totals,
            times=spread,
        )

    def snapshot(self) -> PoolStats:
        """Count, and append the figures to the pool's live stream."""
        stats = self.stats()
        fields = {
            "sessions": stats.sessions,
            "expired_waiting": stats.expired_waiting,
            "leases": stats.leases,
            "proxies_up": stats.proxies_up,
            "proxies_cooling": stats.proxies_cooling,
        }
        self._store.add_snapshot({**fields, **stats.counters}, keep=SNAPSHOTS_KEPT)
        return stats

    # --- copies -----------------------------------------------------------------

    def records(
        self, *, skip: Callable[[str], None] | None = None
    ) -> Iterator[tuple[str, dict[str, str], SessionState]]:
        """Go through all sessions as they are stored: name, fields, state.

        Those that live for one job are left out: that job would not be in a copy.
        *skip* is told of those whose state cannot be read, and they are left out.

        Raises:
            ConfigurationError: a state is sealed, no key of ours opens it, and there
                is no *skip*.
            StateUnreadable: a state is damaged, and there is no *skip*.
        """
        for info in self.all():
            if info.session.startswith(TEMPORARY):
                continue
            [fields] = self._store.fields([info.session])
            version, blob = self._store.state(info.session)
            if not fields or version is None:
                continue
            try:
                state = decode(version, blob, self._sealer)
            except (ConfigurationError, StateUnreadable):
                if skip is None:
                    raise
                skip(info.session)
                continue
            if blob:  # it may have been written since the fields were read
                fields["v"] = str(version)
            yield info.session, fields, state

    def restore(
        self,
        session_id: str,
        proxy: str,
        fields: dict[str, str],
        state: SessionState,
        *,
        replace: bool,
    ) -> tuple[str, str]:
        """Bring a session back, at its *proxy* or, if that is not usable, at another.

        Returns ``P`` and the proxy; ``K`` when it was kept as it is, since it exists or
        its time is over; ``N`` when no proxy may be used.
        """
        blob = encode(state, self._sealer) if state != SessionState() else b""
        if blob is None:
            raise StateTooLarge(self.pool, session_id)
        while True:
            reply = self._store.restore(
                session_id,
                proxy,
                fields,
                blob,
                plan=self.selection.plan,
                replace=replace,
            )
            if reply[0] != b"I":
                status, *found = (part.decode() for part in reply)
                return status, found[0] if found else ""
            self._proxies.build(reply[1].decode())
