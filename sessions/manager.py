"""Give a session its proxy, and keep giving it the same one."""

import secrets
from dataclasses import replace
from typing import Any, Final

from limpet.errors import (
    InvalidArgument,
    LeaseLost,
    LimpetError,
    SessionBusy,
    StateTooLarge,
)
from limpet.sealing import Sealer
from proxies import Outcome, ProxyPool, Selection
from sessions.keeper import SessionKeeper
from sessions.operation import (
    TEMPORARY,
    Give,
    Tally,
    Want,
    completed,
    lasting,
    named,
    nonce,
    refusal,
    released,
)
from sessions.session import Lease, Reason, SessionPolicy
from sessions.state import SessionState, StatePatch, decode, encode
from sessions.store import SessionStore

#: Lease time beyond the deadline: a stall must not cost a healthy job its lease.
LEASE_MARGIN: Final = 15.0


class SessionManager(SessionKeeper):
    """The sessions of one pool. Thread-safe; any number of processes may have one.

    Every method raises `StoreUnavailable` when Redis is away. Times are in seconds.
    *policy* and *selection* hold for whoever does not bring his own.
    """

    def __init__(  # noqa: PLR0913 - what it is made of
        self,
        pool: str,
        store: SessionStore,
        proxies: ProxyPool,
        *,
        policy: SessionPolicy | None = None,
        selection: Selection | None = None,
        sealer: Sealer | None = None,
        margin: float = LEASE_MARGIN,
    ) -> None:
        super().__init__(
            pool,
            store,
            proxies,
            selection=selection or Selection(),
            sealer=sealer or Sealer(),
        )
        self.policy = policy or SessionPolicy()
        self._margin = margin

    def acquire(
        self,
        session_id: str | None,
        *,
        hold: float,
        policy: SessionPolicy | None = None,
        selection: Selection | None = None,
        domain: str = "",
        known: SessionState | None = None,
    ) -> Lease:
        """Lease the session, created if need be, for at most *hold* seconds.

        Without an id the session is a temporary one: it ends with the lease. Proxies
        that block *domain* are passed by. A state that equals *known* is not sent.

        Raises:
            SessionBusy: it cannot be leased yet.
            SessionLost: it may not go on without its proxy.
            NoProxyAvailable: it needs a proxy and none may be used. Never is it sent
                out without one.
            PoolFull: it would be one session too many.
            InvalidSelection: there is no such strategy, or there are too many filters.
            InvalidArgument: no session can be called so, or no lease last so long.
        """
        name = named(session_id)
        want = self._want(hold, policy, selection, domain, known)
        while (reply := self._store.acquire(name, want))[0] == b"I":
            self._proxies.build(reply[1].decode())
        return self._lease(reply, name, known)

    def release(  # noqa: PLR0913 - what there is to say of a request
        self,
        lease: Lease,
        outcome: Outcome = Outcome.NONE,
        *,
        fault: float = 1.0,
        elapsed: float | None = None,
        size: int = 0,
        url: str = "",
        domain: str = "",
        patch: StatePatch | None = None,
        close: Reason | None = None,
        ban: float = 0.0,
        rendered: float | None = None,
    ) -> int:
        """End the lease and say how the proxy did; return the state's version.

        *fault* is how much of a failure a fault counts for (0 to 1), *size* the bytes,
        *url* the request's (kept without its query), *elapsed* its time, *rendered*
        that of a page in a browser; *patch* replaces parts of the state. With *close*
        the session ends. A domain that blocks the proxy does so for *ban* seconds at
        least. The version is -1 when the session is gone: closed, or temporary.

        Raises:
            LeaseLost: the lease ended before; nothing of the session was changed.
            StateConflict: a shared session's state is not the one that was read; it
                was not replaced, the lease has ended.
            StateTooLarge: the state was not kept; the lease has ended.
        """
        times = (elapsed, size, url, domain)
        give = Give(outcome, fault, *times, ban=ban, rendered=rendered)
        give, fits = completed(give, lease, patch, close, self._sealer)
        reply = self._store.release(lease.session, lease.token, give)
        return released(lease, reply, fits=fits)

    def release_and_acquire(  # noqa: PLR0913 - as both
        self,
        lease: Lease,
        outcome: Outcome,
        session_id: str,
        *,
        hold: float,
        elapsed: float | None = None,
        size: int = 0,
        url: str = "",
        patch: StatePatch | None = None,
        selection: Selection | None = None,
        domain: str = "",
    ) -> Lease:
        """End one lease and take the next in one trip; as `release`, then `acquire`.

        When the release is refused, a lease that was taken is given back.
        """
        give = Give(outcome, 1.0, elapsed, size, url, domain)
        give, fits = completed(give, lease, patch, None, self._sealer)
        want = self._want(hold, None, selection, domain, None)
        first, then = self._store.release_and_acquire(
            lease.session, lease.token, give, named(session_id), want
        )
        try:
            released(lease, first, fits=fits)
        except Exception:
            if then[0] in b"CHFR":
                self.release(self._lease(then, session_id, None))
            raise
        while then[0] == b"I":
            self._proxies.build(then[1].decode())
            then = self._store.acquire(session_id, want)
        return self._lease(then, session_id, None)

    def renew(self, lease: Lease, *, hold: float) -> None:
        """Hold the lease for *hold* seconds from now.

        Raises:
            LeaseLost: it has ended.
        """
        if not self._store.renew(
            lease.session, lease.token, lasting(hold) + self._margin
        ):
            raise LeaseLost(self.pool, lease.session)

    def progress(
        self,
        lease: Lease,
        tally: Tally,
        *,
        hold: float,
        more: bool = False,
        patch: StatePatch | None = None,
    ) -> tuple[Lease, int | None]:
        """Hold the lease for *hold* seconds from now, and tell what was done under it.

        *tally* has all but the last request, of which `release` tells; *patch* is for
        a holder who is alone. Returns the lease as it is now, and how many requests may
        be made under it (`None`: any number, 0: acquire anew); *more* counts one.
        Whoever has none acquires anew: all were made, or the session is to move.

        Raises:
            LeaseLost: it has ended; nothing was changed.
            StateTooLarge: the state does not fit; nothing was changed.
        """
        state, blob = lease.state, b""
        if (
            patch
            and not lease.shared
            and (state := state.patched(patch)) != lease.state
        ):
            sealed = encode(state, self._sealer)
            if sealed is None:
                raise StateTooLarge(self.pool, lease.session)
            blob = sealed
        version, left = self._store.progress(
            lease.session,
            lease.token,
            lasting(hold) + self._margin,
            tally,
            blob,
            more=more,
        )
        if version < 0:
            raise LeaseLost(self.pool, lease.session)
        state = replace(state, version=version) if blob else lease.state
        return replace(lease, state=state), None if left < 0 else left

    def borrow(
        self,
        *,
        hold: float,
        order: str = "lru",
        selection: Selection | None = None,
        domain: str = "",
    ) -> Lease:
        """Lease a warm session that nobody uses, for this caller alone.

        *order* is ``lru``, used least recently, or ``next``, its next use due first.

        Raises:
            SessionBusy: all are in use, or must wait.
        """
        if order not in {"lru", "next"}:
            raise InvalidArgument("order", "lru or next")
        want = self._want(hold, None, selection, domain, None)
        while (reply := self._store.borrow(order, want))[0] == b"I":
            self._proxies.build(reply[1].decode())
        if reply[0] == b"E":
            wait = max(0.1, reply[1] / 1000)
            raise SessionBusy(self.pool, "(any)", wait, "no_warm")
        name = "(any)"
        if reply[0] in b"CHFR":
            name = reply[1].decode().split(":", 3)[3]
        return self._lease(reply, name, None)

    def warm(self, count: int, *, policy: SessionPolicy | None = None) -> list[str]:
        """Create *count* sessions that `borrow` may take; return their names."""
        pooled = replace(policy or self.policy, pooled=True)
        names = [f"warm-{secrets.token_hex(6)}" for _ in range(count)]
        for name in names:
            self.release(self.acquire(name, hold=5, policy=pooled))
        return names

    def _want(
        self,
        hold: float,
        policy: SessionPolicy | None,
        selection: Selection | None,
        domain: str,
        known: SessionState | None,
    ) -> Want:
        return Want(
            # A command that is sent again after a lost reply must find its own lease.
            nonce=nonce(),
            hold=lasting(hold) + self._margin,
            policy=policy or self.policy,
            selection=selection or self.selection,
            domain=domain,
            known=known.version if known else None,
        )

    def _lease(self, reply: list[Any], name: str, known: SessionState | None) -> Lease:
        status = reply[0]
        if status in b"BNXL":
            raise refusal(self.pool, name, *reply)
        token, (generation, seen, version, blob, leases) = reply[1].decode(), reply[2:]
        proxy_id, incarnation, _ = token.split(":", 2)
        try:
            proxy = self._proxies.get(proxy_id, seen.decode())
            state = decode(int(version), blob, self._sealer)
        except LimpetError:
            # Nobody could use it: it must not stand in the way until it times out.
            self._store.release(name, token, Give(Outcome.NONE))
            raise
        if known is not None and known.version == int(version):
            state = known
        return Lease(
            pool=self.pool,
            session=name,
            token=token,
            proxy=proxy,
            generation=int(generation),
            incarnation=int(incarnation),
            state=state,
            temporary=name.startswith(TEMPORARY),
            shared=leases > 1,
            created=status == b"C",
            moved=status == b"F",
        )
