"""Sessions whose time is over, and memory that is short: what upkeep does about it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from limpet.errors import (
    LimpetError,
    SessionCleanupError,
    SessionStoreError,
    StoreDamaged,
    StoreUnavailable,
)
from sessions.keeper import SessionKeeper
from sessions.session import Expired, Reason
from sessions.store import SessionStore

#: Sessions looked at for the pool's size: with fifty the mean is good to some percent
#: where states are alike, and the look takes a quarter of a millisecond of Redis.
_SAMPLE: Final = 50
#: Sessions ended in one script, as in the clean-up.
_STEP: Final = 25
#: Sessions looked at in one step of those that must be gone through one by one.
_PAGE: Final = 100
#: Failed steps in a row after which somebody has to look, and seconds before the next
#: try, doubled each time: 15 s in all, longer than Redis takes to start anew.
_TRIES: Final = 6
_BACKOFF: Final = 0.5

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class CleanupReport:
    """What a clean-up did.

    *removed* sessions were removed, *by_reason* why; *leases* of dead workers were
    settled. *errors* are steps that failed and were done again, and sessions that
    cannot be removed, which are tried again in an hour. *memory_freed* is in bytes,
    from a sample. *proxies_due* have cooled down and wait for a session, or a probe, to
    try them. *unfinished* pools were left when the time was over.
    """

    removed: int = 0
    by_reason: dict[str, int] = field(default_factory=dict)
    leases: int = 0
    batches: int = 0
    errors: int = 0
    memory_freed: int = 0
    proxies_due: int = 0
    unfinished: int = 0
    duration_ms: int = 0

    def add(self, reason: Reason, count: int, size: float) -> None:
        """Count *count* sessions of *size* bytes each."""
        if count:
            self.removed += count
            known = self.by_reason.get(reason.value, 0)
            self.by_reason[reason.value] = known + count
            self.memory_freed += round(count * size)


@dataclass(frozen=True, slots=True)
class Memory:
    """What the sessions of a pool take: their number, and the mean of each in bytes."""

    sessions: int
    each: float
    proxies_due: int = 0

    @property
    def total(self) -> float:
        return self.sessions * self.each


class Cleaner:
    """Cleans up one pool.

    *going* is asked before each step, all of which are short, whether there is time for
    another one.
    """

    def __init__(
        self, sessions: SessionKeeper, store: SessionStore, going: Callable[[], bool]
    ) -> None:
        self.pool = sessions.pool
        self._sessions = sessions
        self._store = store
        self._going = going

    def memory(self) -> Memory:
        """Estimate what the sessions take: records, states and the index.

        From a random sample, so the cost does not grow with the pool.
        """
        sessions, sampled, size, due = self._store.measure(_SAMPLE)
        return Memory(sessions, size / sampled if sampled else 0.0, due)

    def expire(self, batch: int, report: CleanupReport) -> None:
        """Remove what is over, *batch* at a time, and settle leases of dead holders.

        Raises:
            SessionStoreError: Redis stays away.
            SessionCleanupError: a step breaks again and again.
        """
        memory = self._insist(report, self.memory)
        report.proxies_due += memory.proxies_due
        more = True
        while more and self._going():
            step: Expired = self._insist(report, self._sessions.expire, batch)
            report.batches += 1
            report.add(Reason.IDLE, step.idle, memory.each)
            report.add(Reason.MAX_AGE, step.old, memory.each)
            report.leases += step.leases
            self._tell(step.stuck, report)
            more = step.more
        report.unfinished += more

    def retire(self, idle: float, report: CleanupReport) -> None:
        """End all sessions that nobody has used for *idle* seconds, whatever they may.

        Goes through the whole pool: for people, not for beat. Raises as `expire`.
        """
        memory = self._insist(report, self.memory)
        cursor = 0
        while self._going():
            cursor, names = self._insist(report, self._store.ids, cursor, _PAGE)
            if names:
                ended = self._insist(report, self._store.retire, names, idle)
                report.batches += 1
                report.add(Reason.IDLE, ended, memory.each)
            if not cursor:
                return
        report.unfinished += 1

    def evict(self, size: float, report: CleanupReport) -> None:
        """End idle sessions, those used least recently first, to free *size* bytes.

        Never one with a live lease. Raises as `expire`.
        """
        memory = self._insist(report, self.memory)
        freed, passed = 0.0, 0
        while freed < size and self._going():
            most = min(_STEP, -int(-(size - freed) // max(memory.each, 1.0)))
            ended, moved, more = self._insist(report, self._store.evict, most, passed)
            if not ended and not moved and not more:
                return  # whatever is left is in use
            report.batches += 1
            report.add(Reason.EVICTED, ended, memory.each)
            freed += ended * memory.each
            passed += more

    def settle(self, batch: int, report: CleanupReport) -> None:
        """Settle the leases of dead holders alone. Raises as `expire`."""
        settled = batch
        while settled == batch and self._going():
            settled = self._insist(report, self._store.reap, batch)
            report.batches += 1
            report.leases += settled
        report.unfinished += settled == batch

    def _insist(
        self, report: CleanupReport, step: Callable[..., Any], *said: Any
    ) -> Any:
        """Do *step*; do it again if it fails, since Redis may be back in a moment."""
        for tried in range(_TRIES):
            try:
                return step(*said)
            except StoreDamaged:
                raise  # it would be so again
            except LimpetError as error:
                report.errors += 1
                log.warning("cleanup_step_failed", pool=self.pool, reason=str(error))
                if tried == _TRIES - 1 or not self._going():
                    raise _given_up(error, report) from None
                time.sleep(_BACKOFF * 2**tried)
        raise AssertionError  # the last try has returned or raised

    def _tell(self, stuck: tuple[str, ...], report: CleanupReport) -> None:
        report.errors += len(stuck)
        for session in stuck:
            log.error("session_not_removed", pool=self.pool, session=session)


def _given_up(error: LimpetError, report: CleanupReport) -> LimpetError:
    if isinstance(error, StoreUnavailable):
        return SessionStoreError(error.reason, report.removed)
    return SessionCleanupError(str(error), report.removed)
