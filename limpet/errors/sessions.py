"""Why a session cannot be had, or not be written."""

from limpet.errors.base import LimpetError, StoreUnavailable


class NoProxyAvailable(LimpetError):
    """No proxy of the pool may be used now.

    *retry_after* is in seconds, `None` when waiting cures nothing: of the *usable*
    proxies that the pool has, none is what was asked for.
    """

    def __init__(self, pool: str, retry_after: float | None, usable: int = 0) -> None:
        super().__init__(pool, retry_after, usable)
        self.pool = pool
        self.retry_after = retry_after
        self.usable = usable

    def __str__(self) -> str:
        if self.retry_after is not None:
            return (
                f"no proxy of pool {self.pool!r} may be used now (cooling down, full "
                f"or blocked); the next is due in {self.retry_after:.1f} s"
            )
        if self.usable:
            return (
                f"none of the {self.usable} usable proxies of pool {self.pool!r} is "
                "what was asked for (filter, excluded proxies)"
            )
        return (
            f"pool {self.pool!r} has no proxy that is in use: import some with "
            "`python manage.py proxies import FILE`, or see `proxies ls` for those "
            "that are disabled, draining or expired"
        )


class PoolFull(LimpetError):
    """The pool has *most* sessions, as many as it may; no new one was made."""

    def __init__(self, pool: str, most: int) -> None:
        super().__init__(pool, most)
        self.pool = pool
        self.most = most

    def __str__(self) -> str:
        return f"pool {self.pool!r} has {self.most} sessions, as many as it may have"


class SessionError(LimpetError):
    """Something about one session of one pool."""

    def __init__(self, pool: str, session: str) -> None:
        super().__init__(pool, session)
        self.pool = pool
        self.session = session


class SessionBusy(SessionError):
    """The session cannot be leased for at most *retry_after* seconds.

    *reason* is ``leased`` (by another job), ``delay`` (its last request is too recent)
    or ``proxy_full`` (its proxy has as many requests as it may).
    """

    def __init__(
        self, pool: str, session: str, retry_after: float, reason: str = "leased"
    ) -> None:
        super(SessionError, self).__init__(pool, session, retry_after, reason)
        self.pool = pool
        self.session = session
        self.retry_after = retry_after
        self.reason = reason

    def __str__(self) -> str:
        why = {
            "delay": "must wait: its last request was too recent",
            "proxy_full": "must wait: its proxy has as many requests as it may",
            "no_warm": "is not to be had: none is warm and free (see `warm`)",
        }.get(self.reason, "is in use by another job")
        return f"session {self.session!r} of pool {self.pool!r} {why}"


class SessionLost(SessionError):
    """The session may not go on, and may not move to another proxy.

    *reason* is ``proxy_down`` (hard: it comes back when its proxy does, due in
    *retry_after* seconds), ``proxy_lost`` (hard: its proxy is gone for good and the
    session is closed), ``proxy_excluded`` (hard: by the caller, or by a domain that
    blocks the proxy), ``rebinds`` (soft: it has moved too often within the hour) or
    ``ended`` (while a job used it).
    """

    def __init__(
        self, pool: str, session: str, retry_after: float | None, reason: str
    ) -> None:
        super(SessionError, self).__init__(pool, session, retry_after, reason)
        self.pool = pool
        self.session = session
        self.retry_after = retry_after
        self.reason = reason

    def __str__(self) -> str:
        why = {
            "proxy_down": "is bound to a proxy that is down",
            "proxy_lost": "has lost its proxy and was closed",
            "proxy_excluded": "is bound to a proxy that may not be used here",
            "rebinds": "has moved to another proxy too often within an hour",
            "ended": "has ended: it met too many errors, or somebody closed it",
        }.get(self.reason, self.reason)
        wait = "" if self.retry_after is None else f"; wait {self.retry_after:.1f} s"
        return f"session {self.session!r} of pool {self.pool!r} {why}{wait}"


class LeaseLost(SessionError):
    """The lease ended before its holder was done; what it brought back is refused."""

    def __str__(self) -> str:
        return f"the lease on session {self.session!r} ended before the job did"


class StateUnreadable(LimpetError):
    """A session's state is damaged, or of a newer version."""

    def __str__(self) -> str:
        return (
            "the stored state of the session cannot be read: it is damaged, or a newer "
            "version wrote it; `python manage.py sessions close ID` starts it anew"
        )


class StateConflict(SessionError):
    """Somebody else wrote the session's state meanwhile; this one was not kept."""

    def __str__(self) -> str:
        return f"the state of session {self.session!r} was changed by another job"


class StateTooLarge(SessionError):
    """The session's state outgrew what one session may keep; it was not kept."""

    def __str__(self) -> str:
        return (
            f"the state of session {self.session!r} (cookies, storage, metadata) is "
            "over 1 MB and was not kept"
        )


class SessionStoreError(StoreUnavailable):
    """The session store failed while sessions were cleaned up, again and again.

    *removed* sessions were removed before; nothing else was lost.
    """

    def __init__(self, reason: str, removed: int = 0) -> None:
        super(StoreUnavailable, self).__init__(reason, removed)
        self.reason = reason
        self.removed = removed


class SessionCleanupError(LimpetError):
    """A step of the clean-up breaks again and again, while the store is there.

    *removed* sessions were removed before; nothing else was lost.
    """

    def __init__(self, reason: str, removed: int = 0) -> None:
        super().__init__(reason, removed)
        self.reason = reason
        self.removed = removed

    def __str__(self) -> str:
        return f"the clean-up cannot go on: {self.reason}"
