"""Why a page was fetched more than once: what died meanwhile, if anything did."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.chaos.storm.history import Death, History, Visit

#: What ends a run of a job, so that another one begins.
_OF_A_WORKER = ("pool child", "worker", "machine")
#: Seconds that the end of an answer may take from the site to the worker.
_ON_ITS_WAY = 1.0


def pairs(history: History) -> Iterator[tuple[Visit, Visit]]:
    """Give each visit that was followed by one more to the same page, and that one."""
    same: dict[tuple[int, int], list[Visit]] = defaultdict(list)
    for visit in sorted(history.visits, key=lambda one: one.begin):
        same[visit.job, visit.item].append(visit)
    for visits in same.values():
        yield from pairwise(visits)


def cause(history: History, first: Visit, then: Visit) -> Death | None:
    """Return the death for which *first* did not count, and *then* had to be."""
    for death in history.deaths:
        if _explains(death, first, then, history.visibility):
            return death
    return None


def _explains(death: Death, first: Visit, then: Visit, visibility: float) -> bool:
    before = death.at <= then.begin
    # It may be long ago: a job that waits for its session is sent anew, many times, and
    # where the last message could not be acknowledged there are two of it from then on.
    held = before and (death.held is None or first.job in death.held)
    within = before and first.begin <= death.at
    explains = {
        # What a frozen one had others got; then it went on, or had it tried again.
        "frozen worker": held and death.until - death.at > visibility,
        "proxy": death.target == first.address
        and first.begin <= death.at <= first.end + _ON_ITS_WAY,
        # A page that cannot be told of is fetched again.
        "session Redis": before and first.begin <= death.until,
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
