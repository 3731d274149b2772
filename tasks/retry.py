"""When a job is tried again, and when it has failed.

Waiting for a session, a proxy or the store burns no try: nothing was fetched. Every
fetch does. Both end at ``LIMPET_JOB_MAX_AGE_SECONDS``, counted from the first run.
"""

import random
import time
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from limpet.errors import (
    Blame,
    FetchError,
    JobFailed,
    LeaseLost,
    LimpetError,
    NoProxyAvailable,
    SessionBusy,
    StoreUnavailable,
)
from limpet.settings import Settings
from tasks.blame import FINAL

#: What another run can cure.
CURABLE: Final = (
    FetchError,
    LeaseLost,
    NoProxyAvailable,
    SessionBusy,
    StoreUnavailable,
)
#: Message header that carries a job's history from run to run.
HEADER: Final = "limpet"
#: Waits double from here to there, in seconds. A busy session is free again as soon
#: as a page is done, so it is asked often.
_BUSY_WAIT: Final = (0.1, 2.0)
_OTHER_WAIT: Final = (0.25, 15.0)
#: A job that waits is a message held by its worker: past the visibility timeout it
#: would be given to a second one. So it looks again before that.
_LONGEST_WAIT: Final = 60.0


@dataclass(frozen=True, slots=True)
class History:
    """What a job has been through: *since* is Unix time, *met* a line a fetch."""

    since: float
    waits: int = 0
    met: tuple[str, ...] = ()

    @classmethod
    def of(cls, headers: dict[str, Any] | None) -> Self:
        """Read it from a message's headers; none of ours there means the first run."""
        try:
            held = (headers or {})[HEADER]
            return cls(float(held["since"]), int(held["waits"]), tuple(held["met"]))
        except (KeyError, TypeError, ValueError):
            return cls(time.time())

    def headers(self) -> dict[str, Any]:
        return {
            HEADER: {"since": self.since, "waits": self.waits, "met": list(self.met)}
        }

    def suspects(self, proxy: str) -> bool:
        """Whether this job has met a fault on *proxy* that may be the target's."""
        begin, sign = f"proxy {proxy}: ", f"(blame: {Blame.UNKNOWN})"
        return any(line.startswith(begin) and sign in line for line in self.met)

    def after(
        self, error: LimpetError, proxy: str, config: Settings
    ) -> tuple["History", float]:
        """Return the history with *error* in it, and how long to wait in seconds.

        Raises:
            JobFailed: there is no use in another run, or no time or try left.
        """
        burns = isinstance(error, FetchError | LeaseLost)
        where = f"proxy {proxy}: " if proxy else ""
        met = (*self.met, f"{where}{error}") if burns else self.met
        longest = min(_LONGEST_WAIT, config.visibility_timeout_seconds / 2)
        wait = _wait(error, self.waits, longest)
        age = time.time() - self.since
        curable = _curable(error) and len(met) < config.job_max_tries
        if not curable or age + wait > config.job_max_age_seconds:
            raise JobFailed(_account(met, age, None if burns else error))
        return replace(self, met=met, waits=self.waits + 1), wait


def _wait(error: LimpetError, waits: int, longest: float) -> float:
    least, most = _BUSY_WAIT if isinstance(error, SessionBusy) else _OTHER_WAIT
    spread = random.uniform(0.5, 1)  # noqa: S311 - spreads retries, hides nothing
    wait = spread * min(most, least * 2.0 ** min(waits, 16))
    if isinstance(error, NoProxyAvailable) and error.retry_after:
        wait += error.retry_after
    return min(wait, longest * spread)


def _account(met: tuple[str, ...], age: float, last: LimpetError | None) -> str:
    told = "; ".join((*met, *([str(last)] if last else [])))
    if not met and age < 1:
        return told
    tries = f"{len(met)} {'try' if len(met) == 1 else 'tries'}"
    return f"given up after {tries} in {age:.1f} s: {told}"


def _curable(error: LimpetError) -> bool:
    if not isinstance(error, CURABLE):
        return False
    if isinstance(error, NoProxyAvailable):
        return error.retry_after is not None
    return not (isinstance(error, FetchError) and error.kind in FINAL)
