"""What a storm does, in which order: all of it follows from the seed."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from limpet.names import SCRAPE, SCRAPE_MANY
from sessions.manager import LEASE_MARGIN
from tests.chaos.storm.history import Job

SESSIONS: Final = 200
PROXIES: Final = 20
#: Seconds of a job's fetch at most; with the margin, how long a dead holder's lease
#: keeps others out.
TIMEOUT: Final = 5
LEASE: Final = TIMEOUT + LEASE_MARGIN
#: Seconds after which a silent worker's jobs go to another one.
VISIBILITY: Final = 6
#: How long a page takes at the site, in ms.
_PAGE_MS: Final = (100, 1200)
#: One job in so many is of several pages.
_MANY: Final = 25
_PAGES: Final = (3, 6)
#: Seconds from one trouble to the next.
_GAP: Final = (1.5, 4.5)

#: How often each kind of trouble comes in one round, and for how long (in seconds).
_ROUND: Final[dict[str, tuple[int, float, float]]] = {
    "pool child": (3, 0, 0),
    "worker": (2, 0.2, 1.5),
    "machine": (2, 0.2, 1.5),
    "broker": (1, 0.5, 3),
    "session Redis": (1, 0.5, 3),
    "beat": (1, 0.5, 2),
    "Flower": (1, 0.5, 2),
    "proxy": (4, 1, 4),
    # Longer than its leases: when it goes on, they are somebody else's.
    "frozen worker": (1, LEASE + 4, LEASE + 6),
}
_FIRST: Final = ("frozen worker", "machine")


@dataclass(frozen=True, slots=True)
class Trouble:
    """After *gap* seconds something of a *kind* goes, for *away* seconds.

    *pick*, from 0 to 1, says which of those that there are.
    """

    kind: str
    gap: float
    pick: float
    away: float


def troubles(seed: int) -> Iterator[Trouble]:
    """Give troubles without end: rounds that have each kind, shuffled."""
    dice = random.Random(f"troubles {seed}")
    first = True
    while True:
        kinds = [kind for kind, (times, *_) in _ROUND.items() for _ in range(times)]
        dice.shuffle(kinds)
        if first:
            # A short storm has what takes the longest to get over, too.
            for kind in _FIRST:
                kinds.remove(kind)
            kinds[:0] = _FIRST
        for kind in kinds:
            _, least, most = _ROUND[kind]
            away = dice.uniform(least, most)
            yield Trouble(kind, dice.uniform(*_GAP), dice.random(), away)
        first = False


@dataclass(frozen=True, slots=True)
class Sending:
    """A job, and how long each of its pages takes in ms."""

    job: Job
    ms: tuple[int, ...]

    @property
    def id(self) -> str:
        return f"job-{self.job.number}"

    def arguments(self, site: str) -> dict[str, object]:
        """Return what the task is sent."""
        session, number = self.job.session, self.job.number
        urls = [
            f"{site}/page/{session}/{number}/{item}?ms={ms}"
            for item, ms in enumerate(self.ms)
        ]
        if self.job.task == SCRAPE:
            return {"session": session, "url": urls[0]}
        rule = {"visit": {"jmespath": "visit"}}
        return {"session": session, "urls": urls, "extract": rule}


def sendings(seed: int, count: int) -> Iterator[Sending]:
    """Give *count* jobs, spread over the sessions by chance."""
    dice = random.Random(f"jobs {seed}")
    for number in range(count):
        session = f"s{dice.randrange(SESSIONS)}"
        many = dice.randrange(_MANY) == 0
        pages = dice.randint(*_PAGES) if many else 1
        task = SCRAPE_MANY if many else SCRAPE
        ms = tuple(dice.randint(*_PAGE_MS) for _ in range(pages))
        yield Sending(Job(number, task, session, pages), ms)


def numbers(text: str) -> set[int]:
    """Return the numbers of the jobs whose messages are in *text*."""
    return {int(found) for found in re.findall(r"\bjob-(\d+)\b", text)}
