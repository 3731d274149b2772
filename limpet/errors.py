"""Every error raised on purpose.

LimpetError
├── ConfigurationError      the environment does not describe a runnable system
├── InvalidProxy            a proxy's URL cannot be used as written
├── StoreUnavailable        Redis did not answer, or refused
├── NoProxyAvailable        every proxy of the pool is cooling, or there is none
├── SessionError
│   ├── SessionBusy         another job holds the session's lease
│   ├── LeaseLost           the lease ended before its holder was done
│   └── StateTooLarge       the session's cookies outgrew what one session may keep
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


class StoreUnavailable(LimpetError):
    """Redis (or the broker) did not answer, or refused; *reason* has no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the store did not do its work: {self.reason}"


class NoProxyAvailable(LimpetError):
    """No proxy of the pool may be used now.

    *retry_after* is in seconds, `None` when no proxy is cooling: then the pool has
    none at all.
    """

    def __init__(self, pool: str, retry_after: float | None) -> None:
        super().__init__(pool, retry_after)
        self.pool = pool
        self.retry_after = retry_after

    def __str__(self) -> str:
        if self.retry_after is None:
            return (
                f"pool {self.pool!r} has no proxy: "
                "import some with `python manage.py proxies import FILE`"
            )
        return (
            f"every proxy of pool {self.pool!r} is cooling down, "
            f"the next is due in {self.retry_after:.1f} s"
        )


class SessionError(LimpetError):
    """Something about one session of one pool."""

    def __init__(self, pool: str, session: str) -> None:
        super().__init__(pool, session)
        self.pool = pool
        self.session = session


class SessionBusy(SessionError):
    """Another job holds the lease; it ends in *retry_after* seconds at the latest."""

    def __init__(self, pool: str, session: str, retry_after: float) -> None:
        super(SessionError, self).__init__(pool, session, retry_after)
        self.pool = pool
        self.session = session
        self.retry_after = retry_after

    def __str__(self) -> str:
        return (
            f"session {self.session!r} of pool {self.pool!r} is in use by another job"
        )


class LeaseLost(SessionError):
    """The lease ended before its holder was done; what it brought back is refused."""

    def __str__(self) -> str:
        return f"the lease on session {self.session!r} ended before the job did"


class StateTooLarge(SessionError):
    """The session's cookies outgrew what one session may keep; they were not kept."""

    def __str__(self) -> str:
        return f"the cookies of session {self.session!r} are too large to be kept"


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
