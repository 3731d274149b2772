"""What must be true of a storm's history, whatever was killed: a function a rule.

Each returns a line for every fact that breaks it, and nothing when all is well. They
only look: what is judged was read before, so each can be shown a history that is bad.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Final

from tests.chaos.storm.causes import cause, repeats, under_way
from tests.chaos.storm.history import Event, History, Visit

#: Seconds that a death still shows when the dead one was started again: it is not up at
#: once, and who waits for it gives up at last.
_SHOWS: Final = 30.0


def no_job_is_lost(history: History) -> Iterator[str]:
    """Each job that the broker accepted was done, all of its pages."""
    results = {result.job: result for result in history.results}
    for job in history.jobs:
        result = results.get(job.number)
        if result is None:
            if job.accepted:
                yield f"job {job.number} of {job.session}: accepted, and never ended"
        elif result.state != "SUCCESS":
            yield f"job {job.number} of {job.session}: {result.state}: {result.reason}"
        elif len(result.visits) != job.pages:
            done = len(result.visits)
            yield f"job {job.number}: {done} of {job.pages} pages; {result.reason}"


def results_are_true(history: History) -> Iterator[str]:
    """What a result tells is a page that the site served to that job and session."""
    visits = {visit.number: visit for visit in history.visits}
    for result in history.results:
        for item, number in enumerate(result.visits):
            visit = visits.get(number)
            asked = (result.job, item, result.session)
            if visit is None or (visit.job, visit.item, visit.session) != asked:
                yield f"job {result.job}: its page {item} is none that it was served"
            elif result.proxy and history.exits.get(result.proxy) != visit.address:
                told = f"says proxy {result.proxy}, came from {visit.address}"
                yield f"job {result.job}: {told}"


def one_address_a_binding(history: History) -> Iterator[str]:
    """A session is seen from its proxy's address, and from no other until it moves."""
    bound: dict[str, list[Event]] = defaultdict(list)
    for binding in sorted(history.bindings, key=attrgetter("at")):
        bound[binding.session].append(binding)
    seen: dict[tuple[str, int, int], set[str]] = defaultdict(set)
    for visit in _awaited(history):
        mine = bound[visit.session]
        index = bisect_right(mine, visit.begin, key=attrgetter("at"))
        if not index:
            yield f"visit {visit.number}: session {visit.session} has no proxy yet"
            continue
        life, generation = _generation(mine[:index])
        seen[visit.session, life, generation].add(visit.address)
        exit_address = history.exits.get(mine[index - 1].proxy)
        if visit.address != exit_address:
            yield (
                f"visit {visit.number}: {visit.session} came from {visit.address}, and "
                f"is bound to {exit_address}"
            )
    yield from _of_results(history, bound, seen)
    for (session, life, generation), addresses in seen.items():
        if len(addresses) > 1:
            told = ", ".join(sorted(addresses))
            yield f"{session}, life {life}, generation {generation}: {told}"


def _of_results(
    history: History,
    bound: dict[str, list[Event]],
    seen: dict[tuple[str, int, int], set[str]],
) -> Iterator[str]:
    """Add what results say of generations: they must know the same ones."""
    visits = {visit.number: visit for visit in history.visits}
    for result in history.results:
        visit = visits.get(result.visits[0]) if result.visits else None
        if visit is None or not result.generation:
            continue
        mine = bound[result.session]
        index = bisect_right(mine, visit.begin, key=attrgetter("at"))
        life, generation = _generation(mine[:index])
        if generation != result.generation:
            yield (
                f"job {result.job}: says generation {result.generation} of "
                f"{result.session}, the audit {generation}"
            )
        seen[result.session, life, result.generation].add(visit.address)


def _generation(bindings: list[Event]) -> tuple[int, int]:
    """Return how often the session was made, and its bindings since."""
    begins = [n for n, one in enumerate(bindings) if one.what == "created"]
    return len(begins), len(bindings) - (begins[-1] if begins else 0)


def a_session_lasts(history: History) -> Iterator[str]:
    """A session is made once: nothing ends one here but failures of its proxy."""
    alive: set[str] = set()
    for event in history.audit:
        if event.what == "created":
            if event.session in alive:
                yield f"{event.session} was made anew, and had not ended"
            alive.add(event.session)
        elif event.what == "closed":
            if event.reason != "errors" or not _died(history, event):
                yield f"{event.session} ended before its time: {event.reason}"
            alive.discard(event.session)


def a_session_stays(history: History) -> Iterator[str]:
    """A session moves only from a proxy that is down, which had died before."""
    at: dict[str, str] = {}
    down: set[str] = set()
    for event in history.audit:
        if event.what == "rebound" and at.get(event.session) not in down:
            yield f"{event.session} left a proxy that was up: {event.reason}"
        elif event.what == "recovered":
            down.discard(event.proxy)
        elif event.what in {"unhealthy", "dead"}:
            if event.proxy not in down and not _died(history, event):
                yield f"proxy {history.exits[event.proxy]} went down, and had not died"
            down.add(event.proxy)
        if event.what in {"created", "rebound"}:
            at[event.session] = event.proxy


def _died(history: History, event: Event) -> bool:
    """Whether the proxy that *event* tells of had died shortly before."""
    address = history.exits.get(event.proxy)
    return any(
        death.kind == "proxy"
        and death.target == address
        and death.at <= event.at <= death.until + _SHOWS
        for death in history.deaths
    )


def one_request_at_a_time(history: History) -> Iterator[str]:
    """A session that is one holder's alone makes no two requests at once."""
    latest: dict[str, tuple[float, Visit]] = {}
    for visit in sorted(_awaited(history), key=attrgetter("begin")):
        found = under_way(visit, history.deaths)
        end = found[1] if found else visit.begin
        before = latest.get(visit.session)
        if before and visit.begin < before[0]:
            other = before[1]
            yield (
                f"{visit.session}: visits {other.number} (job {other.job}, "
                f"{other.worker}) and {visit.number} (job {visit.job}, "
                f"{visit.worker}), "
                f"{(before[0] - visit.begin) * 1000:.0f} ms together"
            )
        if before is None or end > before[0]:
            latest[visit.session] = (end, visit)


def no_repeat_without_a_death(history: History) -> Iterator[str]:
    """A page is fetched again only when something died that had to do with it."""
    resent = {job.number for job in history.jobs if job.resent}
    for repeat in repeats(history):
        first, then, _ = repeat
        if first.job not in resent and cause(history, repeat) is None:
            yield (
                f"job {first.job}, page {first.item}: visits {first.number} by "
                f"{first.worker} and {then.number} by {then.worker}, "
                f"{then.begin - first.begin:.1f} s later, and nothing had died"
            )


def each_lease_is_settled_once(history: History) -> Iterator[str]:
    """Every lease that was given was settled, by its holder or by the clean-up."""
    books = history.books
    if books.leases:
        yield f"{books.leases} leases were never settled"
    for proxy, count in books.inflight.items():
        if count:
            yield f"proxy {proxy} has {count} requests under way, and there are none"
    if books.requests != books.done + books.lost:
        yield (
            f"sessions count {books.requests} requests, proxies {books.done} that "
            f"ended and {books.lost} that were lost"
        )


def counters_agree(history: History) -> Iterator[str]:
    """What is counted in several places is the same everywhere."""
    books, counters = history.books, Counter(history.books.counters)
    closed = sum(
        count for name, count in counters.items() if name.startswith("closed_")
    )
    settled = books.measured + counters["unmeasured"] + counters["lost_leases"]
    created, events = counters["created"], Counter(books.events)
    for what, one, other in (
        ("sessions that were made: counter, audit", created, events["created"]),
        ("moves: counter, audit", counters["failovers"], events["rebound"]),
        ("sessions that ended: counter, audit", closed, events["closed"]),
        ("sessions that live: index, made less ended", books.alive, created - closed),
        ("sessions that live: index, proxies", books.alive, books.sessions),
        ("lost leases: counter, proxies", counters["lost_leases"], books.lost),
        ("faults: counter, proxies", counters["faults"], books.faults),
        ("requests: pool, proxies", settled, books.done + books.lost),
        ("gaps in the audit", counters["audit_gaps"], 0),
    ):
        if one != other:
            yield f"{what}: {one} and {other}"
    if missing := books.told - books.kept:
        yield f"{len(missing)} audit events are not in SQL"


def what_a_job_kept_stays(history: History) -> Iterator[str]:
    """The cookies that a job left behind are those that the session goes on with."""
    visits = {visit.number: visit for visit in history.visits}
    made: dict[str, list[float]] = defaultdict(list)
    for binding in history.bindings:
        if binding.what == "created":
            made[binding.session].append(binding.at)
    last = {
        visits[result.visits[0]].number
        for result in history.results
        if len(result.visits) == 1 and result.visits[0] in visits
    }
    kept: dict[tuple[str, int], tuple[float, Visit]] = {}
    for visit in sorted(_awaited(history), key=attrgetter("begin")):
        life = bisect_right(sorted(made[visit.session]), visit.begin)
        key = (visit.session, life)
        before = kept.get(key)
        if before and visit.begin >= before[0] and visit.seen <= before[1].seen:
            yield (
                f"{visit.session}: visit {before[1].number} left {before[1].seen + 1} "
                f"pages in its cookie, visit {visit.number} came with {visit.seen}"
            )
        if visit.number in last and (before is None or visit.seen > before[1].seen):
            kept[key] = (visit.end, visit)


def nothing_is_left(history: History) -> Iterator[str]:
    """When all is quiet no message of a job waits, and all that was killed is back."""
    for message in history.left:
        yield f"the broker still has {message}"
    for name in history.away:
        yield f"{name} did not come back"


def _awaited(history: History) -> Iterator[Visit]:
    for visit in history.visits:
        if under_way(visit, history.deaths) is not None:
            yield visit


Rule = Callable[[History], Iterator[str]]

RULES: tuple[Rule, ...] = (
    no_job_is_lost,
    results_are_true,
    one_address_a_binding,
    a_session_lasts,
    a_session_stays,
    one_request_at_a_time,
    no_repeat_without_a_death,
    each_lease_is_settled_once,
    counters_agree,
    what_a_job_kept_stays,
    nothing_is_left,
)


def judge(history: History) -> dict[str, list[str]]:
    """Return what breaks each rule, by the rule in words."""
    return {rule.__name__.replace("_", " "): list(rule(history)) for rule in RULES}
