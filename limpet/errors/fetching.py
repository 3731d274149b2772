"""Why a page cannot be fetched, or not be used."""

from enum import StrEnum

from limpet.errors.base import LimpetError


class AddressRefused(LimpetError):
    """A URL leads to where no job may go; *why* has no path and no query of it.

    Nobody is to blame, and no other try can change it.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"the address is refused: {self.why}"


class Blame(StrEnum):
    """Who is at fault when a page cannot be fetched."""

    PROXY = "proxy"
    TARGET = "target"
    #: The target answered, but not for this proxy, or not for this session.
    BLOCK = "block"
    UNKNOWN = "unknown"


class FetchError(LimpetError):
    """A page could not be fetched.

    *kind* is a constant such as ``connect`` or ``timeout``; *detail* is plain text
    without a URL, a header or a credential; *retry_after* is what the other side asked
    to wait, in seconds. *redirected* says that an earlier request of the same fetch was
    answered.
    """

    redirected = False

    def __init__(
        self,
        blame: str,
        kind: str,
        detail: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(blame, kind, detail, retry_after)
        self.blame = Blame(blame)
        self.kind = kind
        self.detail = detail
        self.retry_after = retry_after

    def __str__(self) -> str:
        text = f"{self.kind} (blame: {self.blame})"
        return f"{text}: {self.detail}" if self.detail else text


class WorkerExhausted(LimpetError):
    """This worker has no *what* left; that is nobody's fault, and passes.

    *redirected* as in `FetchError`.
    """

    redirected = False

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"this worker has no {self.what} left"


class DomainBusy(LimpetError):
    """*domain* may be asked again in *retry_after* seconds; nothing was fetched.

    *reason* is ``rate`` (requests a second), ``concurrency`` (requests at a time),
    ``paused`` (the site asked for it) or ``robots`` (its robots.txt is on its way).
    """

    def __init__(self, domain: str, retry_after: float, reason: str) -> None:
        super().__init__(domain, retry_after, reason)
        self.domain = domain
        self.retry_after = retry_after
        self.reason = reason

    def __str__(self) -> str:
        why = {
            "rate": "had as many requests a second as it may",
            "concurrency": "has as many requests at a time as it may",
            "paused": "asked for a pause",
            "robots": "is being asked for its robots.txt",
        }.get(self.reason, self.reason)
        return f"domain {self.domain!r} {why}; wait {self.retry_after:.1f} s"


class RobotsRefused(LimpetError):
    """The robots.txt of *domain* does not allow the page; no use in trying again.

    *reason* is ``disallowed``, or ``unreachable`` where there is no telling.
    """

    def __init__(self, domain: str, reason: str) -> None:
        super().__init__(domain, reason)
        self.domain = domain
        self.reason = reason

    def __str__(self) -> str:
        if self.reason == "unreachable":
            return (
                f"robots.txt of {self.domain!r} cannot be had, so nothing is fetched "
                "there for some minutes (RFC 9309)"
            )
        return f"robots.txt of {self.domain!r} does not allow this page"


class ExtractionFailed(LimpetError):
    """The rule at *path* cannot be met; no use in trying again.

    The text has nothing of the page.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"
