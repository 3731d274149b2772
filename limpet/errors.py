"""Every error raised on purpose.

LimpetError
├── ConfigurationError      the environment does not describe a runnable system
├── InvalidProxy            a proxy's URL cannot be used as written
├── InvalidSelection        a filter or a strategy that cannot be
├── InvalidPolicy           a session's policy that cannot be
├── InvalidExport           a file of sessions that was changed, or is none
├── StateUnreadable         what is stored of a session is damaged, or too new
├── StoreUnavailable        Redis did not answer, or refused
├── NoProxyAvailable        no proxy that fits may be used now, or there is none
├── PoolFull                the pool has as many sessions as it may
├── SessionError
│   ├── SessionBusy         the session cannot be leased yet
│   ├── SessionLost         the session may not go on without its proxy
│   ├── LeaseLost           the lease ended before its holder was done
│   ├── StateConflict       the session's state is another one by now
│   └── StateTooLarge       the session's state outgrew what one session may keep
├── FetchError              a page could not be fetched, and who is to blame
└── JobError                how a job ends when it fails; text only
    ├── InvalidJob          the arguments do not describe a job
    └── JobFailed           every try was used up

Arguments go to ``Exception.__init__`` as they came and the text is made in
``__str__``: that is what lets an error keep its class and fields through
pickle and through Celery's JSON results. A `JobError` crosses to apps that have
none of our code, where Celery shows the arguments alone: so it has one, the text.
"""

from enum import StrEnum


class LimpetError(Exception):
    """Base class, so that a caller can catch everything of ours at once."""


class ConfigurationError(LimpetError):
    """The environment does not describe a runnable system; one line an argument."""

    def __str__(self) -> str:
        return "; ".join(self.args)


class InvalidProxy(LimpetError):
    """A proxy cannot be used as written; the text never repeats the line."""


class _InvalidField(LimpetError):
    """*field* is not *wanted*."""

    def __init__(self, field: str, wanted: str) -> None:
        super().__init__(field, wanted)
        self.field = field
        self.wanted = wanted

    def __str__(self) -> str:
        return f"{self.field}: must be {self.wanted}"


class InvalidSelection(_InvalidField):
    """A filter or a strategy cannot be: which field, and what is allowed."""


class InvalidPolicy(_InvalidField):
    """A session cannot live like that: which field, and what is allowed."""


class InvalidExport(LimpetError):
    """A file of sessions cannot be read; nothing of it was restored."""


class StoreUnavailable(LimpetError):
    """Redis (or the broker) did not answer, or refused; *reason* has no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the store did not do its work: {self.reason}"


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
    blocks the proxy) or ``rebinds`` (soft: it has moved too often within the hour).
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


class Blame(StrEnum):
    """Who is at fault when a page cannot be fetched."""

    PROXY = "proxy"
    TARGET = "target"
    UNKNOWN = "unknown"


class FetchError(LimpetError):
    """A page could not be fetched.

    *kind* is a constant such as ``connect`` or ``timeout``; *detail* is plain text
    without a URL, a header or a credential.
    """

    def __init__(self, blame: str, kind: str, detail: str = "") -> None:
        super().__init__(blame, kind, detail)
        self.blame = Blame(blame)
        self.kind = kind
        self.detail = detail

    def __str__(self) -> str:
        text = f"{self.kind} (blame: {self.blame})"
        return f"{text}: {self.detail}" if self.detail else text


class JobError(LimpetError):
    """How a job ends when it fails; its only argument is a text for people."""


class InvalidJob(JobError):
    """The arguments do not describe a job: which field, and what is allowed."""


class JobFailed(JobError):
    """Every try was used up; the text says what each one met."""
