"""What the scripts are asked, in the order that they take it, and what they refuse."""

import os
import random
import re
import secrets
import string
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import Any, Final

from limpet.errors import (
    InvalidArgument,
    LeaseLost,
    LimpetError,
    NoProxyAvailable,
    PoolFull,
    SessionBusy,
    SessionLost,
    StateConflict,
    StateTooLarge,
)
from limpet.keys import SESSION_ID
from limpet.lines import Arg
from limpet.sealing import Sealer
from proxies.health import Outcome
from proxies.selection import Selection
from sessions.place import place
from sessions.session import LONGEST, Lease, Reason, SessionPolicy
from sessions.state import StatePatch, encode
from sessions.stats import TIME_BUCKETS

#: Begins the name of a session that lives for one job; callers cannot use it.
TEMPORARY: Final = "~"
_NAME: Final = re.compile(SESSION_ID)

_LETTERS: Final = string.digits + string.ascii_lowercase
_PAIRS: Final = [first + second for first in _LETTERS for second in _LETTERS]


@dataclass(frozen=True, slots=True)
class Want:
    """What an acquire asks for; *hold* in seconds, *known* is a state's version."""

    nonce: str
    hold: float
    policy: SessionPolicy
    selection: Selection
    domain: str = ""
    known: int | None = None

    def arguments(self) -> list[Arg]:
        excluded = "".join(f",{proxy}" for proxy in self.selection.exclude)
        return [
            self.nonce,
            milliseconds(self.hold),
            self.policy.packed,
            self.selection.plan,
            excluded and f"{excluded},",
            self.domain,
            "" if self.known is None else self.known,
            luck(),
        ]


@dataclass(frozen=True, slots=True)
class Give:
    """What a release says; *elapsed* and *ban* in seconds, *size* in bytes.

    *rendered* is what a page in a browser took, in seconds.
    """

    outcome: Outcome
    fault: float = 1.0
    elapsed: float | None = None
    size: int = 0
    url: str = ""
    domain: str = ""
    state: bytes = b""
    expected: int | None = None
    close: Reason | None = None
    ban: float = 0.0
    rendered: float | None = None

    def arguments(self, health: str, max_errors: int) -> list[Arg]:
        elapsed = None if self.elapsed is None else max(0, milliseconds(self.elapsed))
        return [
            self.outcome.value,
            self.fault,
            health,
            luck(),
            "" if elapsed is None else elapsed,
            self.size,
            bucket(elapsed or 0),
            place(self.url),
            self.state,
            "" if self.expected is None else self.expected,
            "" if self.close is None else self.close.value,
            self.domain,
            max_errors,
            milliseconds(self.ban),
            self._pages(),
        ]

    def _pages(self) -> str:
        if self.rendered is None:
            return ""
        took = max(0, milliseconds(self.rendered))
        return f"{took} {bucket(took)}"


@dataclass(slots=True)
class Tally:
    """Requests that went well since the last report, added up."""

    count: int = 0
    elapsed_ms: int = 0
    size: int = 0
    url: str = ""
    buckets: dict[int, int] = field(default_factory=dict)

    def add(self, elapsed: float, size: int, url: str) -> None:
        """Add a request that took *elapsed* seconds and brought *size* bytes."""
        took = max(0, milliseconds(elapsed))
        self.count += 1
        self.elapsed_ms += took
        self.size += size
        self.url = url
        self.buckets[bucket(took)] = self.buckets.get(bucket(took), 0) + 1

    def arguments(self, health: str, state: bytes, *, more: bool) -> list[Arg]:
        spread = [part for pair in self.buckets.items() for part in pair]
        told: list[Arg] = [self.count, self.elapsed_ms, self.size, place(self.url)]
        return [nonce(), *told, health, luck(), state, int(more), *spread]


def bucket(elapsed_ms: int) -> int:
    """Return the upper bound of the bucket that a response time is counted in."""
    found = bisect_left(TIME_BUCKETS, elapsed_ms)
    return TIME_BUCKETS[min(found, len(TIME_BUCKETS) - 1)]


def refusal(
    pool: str, session: str, status: bytes, number: int, detail: Any = None
) -> LimpetError:
    """Return what a refused acquire says."""
    wait = None if number < 0 else number / 1000
    if status == b"B":
        return SessionBusy(pool, session, number / 1000, detail.decode())
    if status == b"N":
        return NoProxyAvailable(pool, wait, detail)
    if status == b"X":
        return SessionLost(pool, session, wait, detail.decode())
    return PoolFull(pool, number)


def named(session_id: str | None) -> str:
    """Return the name of the session, one of our own for a temporary one.

    Raises:
        InvalidArgument: no session can be called so.
    """
    if session_id is None:
        return TEMPORARY + secrets.token_hex(8)
    if not _NAME.fullmatch(session_id):
        raise InvalidArgument(
            "session_id", "1 to 128 of A-Z a-z 0-9 _ . @ : + = - ~, not ~ first"
        )
    return session_id


def lasting(hold: float) -> float:
    """Return *hold*.

    Raises:
        InvalidArgument: no lease can last so long.
    """
    if not 0 < hold <= LONGEST:
        raise InvalidArgument("hold", f"seconds from above 0 to {LONGEST:,}")
    return hold


def completed(
    give: Give,
    lease: Lease,
    patch: StatePatch | None,
    close: Reason | None,
    sealer: Sealer,
) -> tuple[Give, bool]:
    """Say what becomes of the session, too; also return whether its state fits."""
    close = close or (Reason.CLOSED if lease.temporary else None)
    if close:
        return replace(give, close=close), True
    if not patch or (state := lease.state.patched(patch)) == lease.state:
        return give, True
    blob = encode(state, sealer)
    expected = lease.state.version if lease.shared else None
    return replace(give, state=blob or b"", expected=expected), blob is not None


def released(lease: Lease, reply: list[Any], *, fits: bool) -> int:
    """Return the state's version after a release, or raise what the reply says."""
    status, version = reply
    if status == b"S":
        raise LeaseLost(lease.pool, lease.session)
    if status == b"V":
        raise StateConflict(lease.pool, lease.session)
    if not fits:
        raise StateTooLarge(lease.pool, lease.session)
    return int(version)


def nonce() -> str:
    """Return what one operation is known by when it is sent again: 31 random bits.

    Short, since each session keeps one; compared with one other within seconds.
    """
    drawn = int.from_bytes(os.urandom(4)) % len(_PAIRS) ** 3
    first, rest = divmod(drawn, len(_PAIRS) ** 2)
    return _PAIRS[first] + _PAIRS[rest // len(_PAIRS)] + _PAIRS[rest % len(_PAIRS)]


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def luck() -> float:
    """What scripts draw lots with: Redis 6 gives them the same numbers each time."""
    return random.random()  # noqa: S311 - spreads load, hides nothing
