"""Give a session its proxy, and keep giving it the same one."""

import secrets

from limpet.errors import LeaseLost, NoProxyAvailable, SessionBusy, StateTooLarge
from proxies import ProxyPool
from sessions.session import Expired, Lease, PoolStats
from sessions.state import Cookie, decode, encode
from sessions.store import SessionStore

#: Begins the name of a session that lives for one job; callers cannot use it.
_TEMPORARY = "~"
#: Lease time on top of the holder's own deadline: the way to Redis and back, and a
#: little stall, must not cost a healthy job its lease.
LEASE_MARGIN = 15.0
#: One snapshot a minute keeps a day in the live stream.
SNAPSHOTS_KEPT = 1440


class SessionManager:
    """The sessions of one pool. Thread-safe; any number of processes may have one.

    Every method raises `StoreUnavailable` when Redis does not do its work.
    """

    def __init__(
        self,
        pool: str,
        store: SessionStore,
        proxies: ProxyPool,
        *,
        margin: float = LEASE_MARGIN,
    ) -> None:
        self.pool = pool
        self._margin = margin
        self._store = store
        self._proxies = proxies

    def acquire(self, session_id: str | None, *, hold: float) -> Lease:
        """Lease the session, created if need be, for at most *hold* seconds.

        Without an id the session is a temporary one: it ends with the lease.

        Raises:
            SessionBusy: somebody else holds it.
            NoProxyAvailable: it needs a proxy and none is usable. Never is it sent
                out without one.
        """
        name = session_id or _TEMPORARY + secrets.token_hex(8)
        # A command that is sent again after a lost reply must find its own lease.
        nonce = secrets.token_hex(4)
        reply = self._store.acquire(name, nonce, hold=hold + self._margin)
        status = reply[0]
        if status == b"B":
            raise SessionBusy(self.pool, name, reply[1] / 1000)
        if status == b"N":
            wait = None if reply[1] < 0 else reply[1] / 1000
            raise NoProxyAvailable(self.pool, wait)
        proxy_id, token, generation, incarnation, seen, version, blob = reply[1:]
        return Lease(
            pool=self.pool,
            session=name,
            token=token.decode(),
            proxy=self._proxies.get(proxy_id.decode(), seen.decode()),
            generation=int(generation),
            incarnation=int(incarnation),
            state=decode(int(version), blob),
            temporary=session_id is None,
            created=status == b"C",
            moved=status == b"F",
        )

    def release(
        self,
        lease: Lease,
        *,
        fault: float = 0.0,
        ok: bool = False,
        cookies: list[Cookie] | None = None,
    ) -> int:
        """End the lease and say how the proxy did; return the state's version.

        *ok* clears the proxy's failures, *fault* (0 to 1) adds to them; neither says
        nothing. *cookies* replace the session's, if they are given. The version is -1
        when the session is gone: closed meanwhile, or a temporary one.

        Raises:
            LeaseLost: the lease ended before; nothing was changed.
            StateTooLarge: the cookies were not kept; the lease has ended.
        """
        blob = b"" if cookies is None else encode(cookies)
        status, version = self._store.release(
            lease.session,
            lease.token,
            -1.0 if ok else fault,
            state=blob or b"",
            close=lease.temporary,
        )
        if status == b"S":
            raise LeaseLost(self.pool, lease.session)
        if blob is None:
            raise StateTooLarge(self.pool, lease.session)
        return int(version)

    def close(self, session_id: str) -> bool:
        """End the session; its next job starts a new one. False if there was none."""
        return self._store.close(session_id)

    def expire(self, batch: int) -> Expired:
        """Do one step of the clean-up, at most *batch* of everything.

        Removes sessions whose time is over, settles the leases of dead holders,
        lets cooled proxies back in.
        """
        sessions, leases, proxies, more = self._store.reap(batch)
        return Expired(sessions, leases, proxies, more=bool(more))

    def stats(self) -> PoolStats:
        """Count what the pool holds; the cost does not grow with the pool."""
        *numbers, at_ms, flat = self._store.stats()
        names = (name.decode() for name in flat[::2])
        counters = dict(zip(names, map(int, flat[1::2]), strict=True))
        sessions, expired, leases, up, cooling = numbers
        return PoolStats(
            self.pool, at_ms, sessions, expired, leases, up, cooling, counters
        )

    def snapshot(self) -> PoolStats:
        """Count, and append the figures to the pool's live stream."""
        stats = self.stats()
        self._store.add_snapshot(
            {
                "sessions": stats.sessions,
                "expired_waiting": stats.expired_waiting,
                "leases": stats.leases,
                "proxies_up": stats.proxies_up,
                "proxies_cooling": stats.proxies_cooling,
                **stats.counters,
            },
            keep=SNAPSHOTS_KEPT,
        )
        return stats
