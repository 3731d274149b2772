"""Look after the sessions of a pool: what is not on a request's way."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from limpet.errors import (
    ConfigurationError,
    SessionBusy,
    StateConflict,
    StateTooLarge,
    StateUnreadable,
    StoreDamaged,
)
from limpet.sealing import Sealer
from proxies import ProxyPool, Selection
from sessions import expiring
from sessions.info import Listing, Search, SessionInfo
from sessions.mover import SessionMover
from sessions.operation import TEMPORARY
from sessions.session import Expired, Reason
from sessions.state import SessionState, decode, encode, sealed_anew
from sessions.stats import PoolStats
from sessions.store import SessionStore

#: Sessions whose proxies are asked for at a time: about 1 ms of the server.
_LOOK_STEP: Final = 500


class SessionKeeper(SessionMover):
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
        super().__init__(pool, store, proxies, selection=selection)
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
        one holder has the session to itself, `StoreDamaged` if it is none.
        """
        before = -1
        while (state := self.state(session_id)) is not None:
            if state.version == before:
                raise StoreDamaged(f"session {session_id!r} cannot be written")
            before, metadata = state.version, {**state.metadata, **values}
            try:
                self.put_state(session_id, state.patched({"metadata": metadata}))
            except StateConflict:
                continue
            return True
        return False

    def seal(self) -> Iterator[tuple[str, bool]]:
        """Seal the states of all sessions under the first key, in use or not.

        Gives each name, and whether that could be done: nobody can read the others.
        """
        for info in self.all():
            yield info.session, self._seal(info.session)

    def _seal(self, session_id: str) -> bool:
        try:
            while blob := self._store.state(session_id)[1]:
                anew = sealed_anew(blob, self._sealer)
                # If not, its holder has written it meanwhile.
                if anew == blob or self._store.reseal(session_id, blob, anew):
                    break
        except (ConfigurationError, StateUnreadable):
            return False
        return True

    # --- looking and tending ----------------------------------------------------

    def list(
        self, cursor: int = 0, *, count: int = 100
    ) -> tuple[int, Sequence[SessionInfo]]:
        """Return about *count* sessions and where to go on, 0 at the end.

        What lives throughout is seen at least once, rarely twice.
        """
        cursor, names = self._store.ids(cursor, count)
        return cursor, self._infos(names)

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

    def page(self, start: int, count: int, *, last_first: bool = False) -> Listing:
        """Return *count* sessions after the first ones, and how many there are.

        Those that expire first come first, or last; times that have grown since are
        put in order once they would have been over.
        """
        counts, rows = self._store.page(start, count, last_first=last_first)
        total, waiting, leases, now = counts
        return Listing(total, waiting, leases, now / 1000, self._read(rows))

    def find(self, prefix: str, most: int, cursor: int = 0) -> Search:
        """Return up to *most* sessions whose names begin so, the one called so first.

        Looks for a moment, in short steps: for people, not for jobs.
        """
        names, after = self._store.find(prefix, most + 1, cursor)
        first = [] if cursor else [prefix]
        wanted = list(dict.fromkeys([*first, *names]))
        infos = self._infos(wanted[: most + 2])
        return Search(
            infos=infos[:most],
            complete=not after and len(infos) <= most,
            cursor=after if len(infos) <= most else 0,
        )

    def of_proxy(
        self, proxy_id: str, most: int, *, looks: int
    ) -> tuple[Sequence[SessionInfo], bool]:
        """Return up to *most* sessions of a proxy, and whether these are all.

        Looks at about *looks* sessions: no index says which are whose.
        """
        cursor, found = 0, set[str]()
        for _ in range(-(-looks // _LOOK_STEP)):
            cursor, names = self._store.ids(cursor, _LOOK_STEP)
            homes = zip(names, self._store.homes(names), strict=True)
            found.update(name for name, home in homes if home == proxy_id)
            if not cursor or len(found) > most:
                break
        complete = not cursor and len(found) <= most
        return self._infos(sorted(found)[:most]), complete

    def _infos(self, names: Sequence[str]) -> Sequence[SessionInfo]:
        return self._read(zip(names, self._store.fields(names), strict=True))

    def _read(
        self, rows: Iterable[tuple[str, dict[str, str]]]
    ) -> Sequence[SessionInfo]:
        return [SessionInfo.read(self.pool, name, row) for name, row in rows if row]

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

    def expire(self, batch: int) -> Expired:
        """Clean up to *batch* leases of dead holders and sessions whose time is over.

        In short steps, as `expiring` says. Raises `StoreUnavailable` and
        `ScriptFailed`; nothing was done then.
        """
        return expiring.expire(self._store, batch)

    def stats(self) -> PoolStats:
        """Count what the pool holds; the cost does not grow with the pool."""
        return self._store.stats()

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
            try:
                found = self._copy(info)
            except (ConfigurationError, StateUnreadable):
                if skip is None:
                    raise
                skip(info.session)
                continue
            if found:
                yield found

    def _copy(
        self, info: SessionInfo
    ) -> tuple[str, dict[str, str], SessionState] | None:
        if info.damaged:
            raise StateUnreadable
        [fields] = self._store.fields([info.session])
        version, blob = self._store.state(info.session)
        if not fields or version is None:
            return None
        state = decode(version, blob, self._sealer)
        if blob:  # it may have been written since the fields were read
            fields["v"] = str(version)
        return info.session, fields, state

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
        return self.put_back(session_id, proxy, fields, blob, replace=replace)

    def put_back(
        self,
        session_id: str,
        proxy: str,
        fields: dict[str, str],
        blob: bytes,
        *,
        replace: bool = False,
    ) -> tuple[str, str]:
        """As `restore`, of a state that is packed, and sealed if it has to be."""
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
