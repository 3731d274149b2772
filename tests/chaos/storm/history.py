"""What is known of one storm when it is over: all that the rules judge.

Times are Unix seconds, all of one machine's clock. A job has a number, its pages are
items; the site numbers its visits as they come.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Job:
    """What was sent: *pages* of a *session*; *accepted* says that the broker has it.

    *resent* says that it was sent before, and the broker died before it could answer.
    """

    number: int
    task: str
    session: str
    pages: int = 1
    accepted: bool = True
    resent: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """A request as the site saw it, under way from *begin* to *end*.

    *worker* is who it says it is, *address* where it came from, *seen* the session's
    cookie: how many pages it has had. Not *answered*: the other side hung up before.
    """

    number: int
    session: str
    job: int
    item: int
    worker: str
    address: str
    begin: float
    end: float
    seen: int = 0
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Death:
    """What was killed, or frozen, *at* a time; it was back at *until*.

    *target* is a worker's name, a proxy's exit address, or as *kind*. *held* has the
    jobs that workers had taken then, of which it may have had any; None is all of them.
    """

    kind: str
    target: str
    at: float
    until: float
    held: frozenset[int] | None = frozenset()


@dataclass(frozen=True, slots=True)
class Event:
    """*what* the audit told *at* a time of a session, a proxy (by its id), or both.

    A session that is ``created`` or ``rebound`` has that proxy from then on.
    """

    what: str
    at: float
    session: str = ""
    proxy: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """How a job ended; *visits* has what the site called the page of each item."""

    job: int
    state: str
    session: str = ""
    #: Of a job of one page: what served it.
    proxy: str = ""
    generation: int = 0
    visits: tuple[int, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Books:
    """What Redis and SQL count, when all is quiet.

    *requests* is the sum of what sessions count, those that ended included; *done*,
    *lost*, *faults* and *sessions* are sums over all proxies, *measured* over the
    response times. *events* are those of the audit stream, by name.
    """

    requests: int = 0
    done: int = 0
    lost: int = 0
    faults: int = 0
    sessions: int = 0
    alive: int = 0
    leases: int = 0
    measured: int = 0
    inflight: Mapping[str, int] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, int] = field(default_factory=dict)
    #: Ids of audit events, in the stream and in SQL.
    told: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class History:
    """All of it. *exits* has each proxy's exit address, by the proxy's id."""

    jobs: tuple[Job, ...] = ()
    visits: tuple[Visit, ...] = ()
    deaths: tuple[Death, ...] = ()
    #: In the order in which it happened.
    audit: tuple[Event, ...] = ()
    results: tuple[Result, ...] = ()
    books: Books = field(default_factory=Books)
    exits: Mapping[str, str] = field(default_factory=dict)
    #: Messages that are still somewhere, and services that do not answer.
    left: tuple[str, ...] = ()
    away: tuple[str, ...] = ()
    #: Seconds after which a silent worker's jobs go to another one.
    visibility: float = 0.0

    @property
    def bindings(self) -> list[Event]:
        return [one for one in self.audit if one.what in {"created", "rebound"}]
