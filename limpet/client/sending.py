"""How a batch is split into jobs, and which of them are sent.

A job's id says all of its place: ``<batch>-<first>-<count>-<sum>`` are the batch, the
index of its first URL, how many there are, and a checksum of what they are. So a batch
that is sent again has the same jobs, and one that is restored knows each page's place.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import Field

from limpet.client.batch import Part
from limpet.client.handle import ENDED
from limpet.client.line import Letter, Line
from limpet.errors import InvalidJob
from limpet.jobs import ScrapeManyJob
from limpet.jobs.fields import Url
from limpet.jobs.scrape import MAX_URLS
from limpet.keys import SESSION_ID
from limpet.names import SCRAPE_MANY

_MOST_SESSIONS: Final = 10_000
#: Seconds that a job of a batch may wait at least, and at most.
_AGE: Final = (3600.0, 604_800.0)
#: Seconds that a page is taken to need, its tries included, if the job does not say.
_PAGE: Final = 30.0
#: States of jobs that a worker has, and will have again if it dies. What was cancelled
#: stays so: workers have heard of it.
_HAD: Final = frozenset({"STARTED", "PROGRESS", "RETRY", "REVOKED"})
#: A session's name has a number behind it, and 128 characters at most.
_PREFIX_MAX: Final = 120
_PREFIX_SAYS: Final = (
    f"must be 1 to {_PREFIX_MAX} of the characters a-z A-Z 0-9 _ . @ : + = - ~, and "
    "not begin with ~"
)
#: Fields of a job that all jobs of a batch cannot have.
_OF_THE_BATCH: Final = {
    "session": "names its own sessions: give a prefix",
    "idempotency_key": "is not done twice as it is: send it again with its batch_id",
}


class _AnyNumber(ScrapeManyJob):
    """All pages of a batch: checked in one go, so that each has its own index."""

    urls: Annotated[list[Url], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Planned:
    """A job to be: its place in the batch, and its fields."""

    part: Part
    kwargs: Mapping[str, Any] = field(repr=False)


def plan(
    batch: str,
    urls: Sequence[str],
    *,
    sessions: int,
    prefix: str | None,
    **fields: Any,
) -> list[Planned]:
    """Check a batch and split it; the first job of each session comes first.

    Raises:
        InvalidJob: names each wrong field and what is allowed.
    """
    if type(sessions) is not int or not 1 <= sessions <= _MOST_SESSIONS:
        raise InvalidJob(f"sessions: must be from 1 to {_MOST_SESSIONS:,}")
    for name, instead in _OF_THE_BATCH.items():
        if fields.get(name) is not None:
            raise InvalidJob(f"{name}: a batch {instead}")
    if prefix is not None and not _begins_a_session(prefix):
        raise InvalidJob(f"prefix: {_PREFIX_SAYS}")
    names = [f"{prefix or batch}-{number}" for number in range(sessions)]
    # The longest of the names stands for all.
    job = _AnyNumber.parse((), {**fields, "urls": urls, "session": names[-1]})
    sent = job.sent
    share = -(-len(urls) // sessions)
    if job.max_age is None:
        least, most = _AGE
        needed = share * ((job.timeout or _PAGE) + job.delay)
        sent["max_age"] = min(max(least, needed), most)
    planned = []
    for _, number, first, count in sorted(_split(len(urls), sessions)):
        some = job.urls[first : first + count]
        text = "\n".join([names[number], *some])
        check = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]
        part = Part(f"{batch}-{first}-{count}-{check}", first, count)
        kwargs = {**sent, "urls": some, "session": names[number]}
        planned.append(Planned(part, kwargs))
    return planned


def _begins_a_session(prefix: object) -> bool:
    return (
        isinstance(prefix, str)
        and len(prefix) <= _PREFIX_MAX
        and re.fullmatch(SESSION_ID, prefix) is not None
    )


def send(
    line: Line, batch: str, planned: Sequence[Planned], *, priority: int | None
) -> tuple[Part, ...]:
    """Send the jobs of a batch that nobody has yet, and return all of them.

    Raises:
        InvalidJob: the batch was sent before, and is another one.
        StoreUnavailable: the broker or the result backend cannot be reached.
    """
    parts = tuple(one.part for one in planned)
    names = [part.id for part in parts]
    known = line.load_batch(batch)
    if known and set(known) != set(names):
        raise InvalidJob("batch_id: is that of a batch with other URLs or sessions")
    if not known:
        line.save_batch(batch, names)
    wanted = _wanted(line, names) if known else dict.fromkeys(names, False)
    line.send(
        *(
            Letter(
                SCRAPE_MANY,
                one.part.id,
                one.kwargs,
                priority,
                group=batch,
                group_index=index,
                again=wanted[one.part.id],
            )
            for index, one in enumerate(planned)
            if one.part.id in wanted
        )
    )
    return parts


def _wanted(line: Line, names: Sequence[str]) -> dict[str, bool]:
    """Return the jobs that are to be sent, and which of them had ended.

    What is known of those is forgotten.
    """
    found = line.look(names)
    wanted = {
        name: meta["status"] in ENDED
        for name, meta in found.items()
        if meta["status"] not in _HAD
        and not (meta["status"] == "SUCCESS" and not meta["result"]["left"])
    }
    # Else who waits would take the last end for the next one.
    line.forget([name for name, ended in wanted.items() if ended])
    return wanted


def _split(total: int, sessions: int) -> Iterator[tuple[int, int, int, int]]:
    """Split so many URLs evenly: rank in its session, session, first URL, count."""
    for session, (start, share) in enumerate(_even(total, sessions)):
        for rank, (first, count) in enumerate(_even(share, -(-share // MAX_URLS))):
            yield rank, session, start + first, count


def _even(total: int, parts: int) -> Iterator[tuple[int, int]]:
    """Cut *total* into parts that differ by one at most; none is empty."""
    first = 0
    for part in range(min(parts, total)):
        count = total // parts + (part < total % parts)
        yield first, count
        first += count
