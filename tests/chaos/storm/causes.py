"""Why a page was fetched more than once: what died meanwhile, if anything did."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from tests.chaos.storm.history import Death, History, Visit
from tests.chaos.storm.plan import LEASE

#: What ends a run of a job, so that another one begins.
_OF_A_WORKER = ("pool child", "worker", "machine")
#: Seconds that the end of an answer may take from the site to the worker.
_ON_ITS_WAY = 1.0


class Repeat(NamedTuple):
    """Two visits to the same page; until *seen*, a page of their job was under way."""

    first: Visit
    then: Visit
    seen: float


def repeats(history: History) -> Iterator[Repeat]:
    """Give each visit that was followed by one more to the same page, and that one."""
    jobs: dict[int, list[Visit]] = defaultdict(list)
    same: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for visit in sorted(history.visits, key=lambda one: one.begin):
        jobs[visit.job].append(visit)
        same[visit.job, visit.item].append(visit)
    for visits in same.values():
        for first, then in pairwise(visits):
            ends = (one.end for one in jobs[first.job] if one.begin < then.begin)
            yield Repeat(first, then, max(ends, default=first.end))


def cause(history: History, repeat: Repeat) -> Death | None:
    """Return the death for which the first visit did not count, and was repeated."""
    for death in history.deaths:
        if _explains(death, repeat, history.visibility):
            return death
    return None


def _explains(death: Death, repeat: Repeat, visibility: float) -> bool:
    first, then, seen = repeat
    before = death.at <= then.begin
    # A slow worker may have it in hand for longer than its page took, if not for ever.
    undone = before and death.at <= seen + LEASE
    # It may be long ago: a job that waits for its session is sent anew, many times, and
    # where the last message could not be acknowledged there are two of it from then on.
    held = undone if death.held is None else before and first.job in death.held
    within = undone and first.begin <= death.at
    explains = {
        # What a frozen one had others got; then it went on, or had it tried again.
        "frozen worker": held and death.until - death.at > visibility,
        "proxy": death.target == first.address
        and first.begin <= death.at <= first.end + _ON_ITS_WAY,
        # A page that cannot be told of is fetched again.
        "session Redis": undone and first.begin <= death.until,
        "broker": within or held,
        **dict.fromkeys(
            _OF_A_WORKER, held or (within and death.target == first.worker)
        ),
    }
    return explains.get(death.kind, False)


def under_way(visit: Visit, deaths: Sequence[Death]) -> tuple[float, float] | None:
    """Return from when to when somebody waited for the visit; None if nobody ever did.

    What a killed proxy had sent on may still reach the site, and be answered: its
    session has been somebody else's since the proxy died.
    """
    end = visit.end
    for death in deaths:
        if death.kind != "proxy" or death.target != visit.address:
            continue
        if death.at <= visit.begin <= death.until:
            return None
        if visit.begin < death.at:
            end = min(end, death.at)
    return visit.begin, end
