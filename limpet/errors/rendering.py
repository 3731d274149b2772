"""Why a job in a browser cannot be done."""

from limpet.errors.base import LimpetError


class NoBrowser(LimpetError):
    """This worker has none; *why* says so, and how to get one."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"no browser: {self.why}"


class BrowserFailed(LimpetError):
    """*what* ended before the page was done; nobody is to blame, another try may do."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} ended before the page was done"


class StepFailed(LimpetError):
    """Step *number* (from 1; 0 is the page itself) of a job could not be done.

    *do* is its kind, *target* what it looked for, *reason* what came of that, and
    *picture* the SHA-256 of a screenshot of that moment, if there is one.
    """

    def __init__(
        self, number: int, do: str, target: str, reason: str, picture: str = ""
    ) -> None:
        super().__init__(number, do, target, reason, picture)
        self.number = number
        self.do = do
        self.target = target
        self.reason = reason
        self.picture = picture

    def __str__(self) -> str:
        what = f"{self.do} {self.target[:200]!r}" if self.target else self.do
        step = f"step {self.number} ({what})" if self.number else self.do
        seen = f"; a screenshot of that moment: {self.picture}" if self.picture else ""
        return f"{step}: {self.reason}{seen}"
