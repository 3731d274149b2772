"""When a job is tried again, and when it has failed.

Waiting for a session, a proxy or the store, or for a worker that has sockets left,
burns no try: nothing was fetched. Every fetch does, also when what came could not be
used or kept. Both end at ``LIMPET_JOB_MAX_AGE_SECONDS``, counted from the first run.
"""

import math
import random
import time
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

from limpet.errors import (
    Blame,
    BrowserFailed,
    DomainBusy,
    FetchError,
    JobFailed,
    LeaseLost,
    LimpetError,
    NoProxyAvailable,
    SessionBusy,
    SessionLost,
    StoreUnavailable,
    WorkerExhausted,
)
from limpet.jobs import SessionJob
from limpet.names import HISTORY_HEADER
from limpet.settings import Settings
from tasks.blame import FINAL

#: What another run can cure, if it says when (`None` says never).
_WAITS: Final = (NoProxyAvailable, SessionLost)
#: What another run can cure.
_CURABLE: Final = (
    BrowserFailed,
    DomainBusy,
    FetchError,
    LeaseLost,
    SessionBusy,
    StoreUnavailable,
    WorkerExhausted,
)
#: Message header that carries a job's history from run to run.
HEADER: Final = HISTORY_HEADER
#: Lines of a history that are read: as many as there may be tries.
_MOST: Final = 50
#: Longest name of a time that a job was sent anew.
_AGAIN_MAX: Final = 64
#: Waits double from here to there, in seconds. A busy session is free again as soon
#: as a page is done, so it is asked often.
_BUSY_WAIT: Final = (0.1, 2.0)
OTHER_WAIT: Final = (0.25, 15.0)
#: What a job waits for may be there sooner than was said: so it looks again. With the
#: stock transport it must, before its message is given to a second worker.
_LONGEST_WAIT: Final = 60.0
#: Kinds of failure with which no request has got through to the site, or it has
#: answered that it did nothing. A timeout is one of them if it is the proxy's fault.
_UNDONE: Final = frozenset(
    {"auth", "blocked", "certificate", "connect", "refused", "tls", "tunnel", "url"}
)


@dataclass(frozen=True, slots=True)
class History:
    """What a job has been through.

    *since* is Unix time, *waits* how often it waited since its last fetch, *met* a line
    a fetch; *failed* says why it has failed, where that is still to be told. *again*
    names the last time that it was sent anew after it had ended, or is empty.
    """

    since: float
    waits: int = 0
    met: tuple[str, ...] = ()
    failed: str = ""
    again: str = ""

    @classmethod
    def of(cls, headers: dict[str, Any] | None) -> Self:
        """Read it from a message's headers; none of ours there means the first run."""
        now = time.time()
        held: Any = (headers or {}).get(HEADER)
        again = str(held.get("again", "")) if isinstance(held, dict) else ""
        again = again[:_AGAIN_MAX]
        try:
            since, waits = float(held["since"]), int(held["waits"])
            met, failed = tuple(map(str, held["met"][:_MOST])), str(held["failed"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return cls(now, again=again)
        # Anybody can write a header: no job lives for ever.
        since = min(since, now) if math.isfinite(since) else now
        return cls(since, waits, met, failed, again)

    def anew(self) -> Self:
        """Return the history of a job that has come so far that all begins anew."""
        return replace(self.of(None), again=self.again)

    def headers(self) -> dict[str, Any]:
        return {HEADER: {**asdict(self), "met": list(self.met)}}

    def suspects(self, proxy: str) -> bool:
        """Whether this job has met a fault on *proxy* that may be the target's."""
        begin, sign = f"proxy {proxy}: ", f"(blame: {Blame.UNKNOWN})"
        return any(line.startswith(begin) and sign in line for line in self.met)

    def after(  # noqa: PLR0913 - each by its name
        self,
        error: LimpetError,
        job: SessionJob,
        config: Settings,
        *,
        proxy: str = "",
        ms: int = 0,
        sent: bool = False,
        fetched: bool = False,
    ) -> tuple["History", float]:
        """Return the history with *error* in it, and how long to wait in seconds.

        *proxy* was used, and the fetch took *ms* milliseconds; *sent* says that the
        site may have done what it was asked for, *fetched* that the page came, and what
        went wrong came after.

        Raises:
            JobFailed: there is no use in another run, or no time or try left.
        """
        burns = fetched or isinstance(error, FetchError | LeaseLost | BrowserFailed)
        line = tried(error, proxy, ms, fetched=fetched)
        met = (*self.met, line) if burns else self.met
        waits = 0 if burns else self.waits + 1
        longest = min(_LONGEST_WAIT, config.longest_hold / 2)
        wait = _wait(error, max(0, len(met) - 1) if burns else self.waits, longest)
        age = time.time() - self.since
        tries = len(met) < config.job_max_tries
        in_time = age + wait <= (job.max_age or config.job_max_age_seconds)
        if not (tries and in_time and curable(error, job, sent=sent)):
            told = [*met, *([] if burns else [str(error)])]
            if sent and job.why_once:
                told.append(job.why_once)
            raise JobFailed(_account(told, len(met), age))
        return replace(self, met=met, waits=waits), wait


def tried(error: LimpetError, proxy: str, ms: int, *, fetched: bool = False) -> str:
    """Return the line that an account has of a fetch; of one that failed after it."""
    where = f"proxy {proxy}: " if proxy else ""
    if fetched and not isinstance(error, FetchError):
        return f"{where}the page came ({ms} ms), then {error}"
    return f"{where}{error} ({ms} ms)"


def curable(error: LimpetError, job: SessionJob, *, sent: bool = False) -> bool:
    """Whether another try of *job* may do better.

    What was *sent* and is not idempotent may have had its effect: not another time.
    """
    if sent and job.why_once:
        return False
    if isinstance(error, _WAITS):
        return error.retry_after is not None
    if isinstance(error, FetchError):
        return error.kind not in FINAL
    return isinstance(error, _CURABLE)


def may_have_arrived(error: FetchError | WorkerExhausted) -> bool:
    """Whether the site may have done what it was asked for."""
    if isinstance(error, WorkerExhausted):
        return error.redirected
    dial = error.kind == "timeout" and error.blame is Blame.PROXY
    return error.redirected or not (dial or error.kind in _UNDONE)


def backoff(times: int, bounds: tuple[float, float]) -> float:
    """Return a wait: exponential with full jitter.

    As in "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): of all ways to
    spread retries it needs the fewest calls.
    """
    least, most = bounds
    longest = min(most, least * 2.0 ** min(times, 16))
    return random.uniform(0, longest)  # noqa: S311 - spreads retries


def _wait(error: LimpetError, times: int, longest: float) -> float:
    told = getattr(error, "retry_after", None) or 0.0
    if isinstance(error, SessionBusy | DomainBusy):
        if error.reason in {"leased", "concurrency"}:
            # Whoever holds it may be done at any moment.
            return min(backoff(times, _BUSY_WAIT), longest)
        # It was told a time of its own; a pause ends for all at once.
        return min(told * random.uniform(1, 1.1), longest)  # noqa: S311 - as above
    wait = told + backoff(times, OTHER_WAIT)
    return min(wait, longest * random.uniform(0.5, 1))  # noqa: S311 - as above


def _account(told: list[str], tries: int, age: float) -> str:
    text = "; ".join(told)
    if not tries and age < 1:
        return text
    made = f"{tries} {'try' if tries == 1 else 'tries'}"
    return f"given up after {made} in {age:.1f} s: {text}"
