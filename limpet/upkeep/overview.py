"""The schedule as people read it: what runs when, and how it went."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from limpet.settings import Settings
from limpet.upkeep.beat import Beat
from limpet.upkeep.due import due
from limpet.upkeep.entry import Entry
from limpet.upkeep.record import Record
from limpet.upkeep.store import UpkeepStore

#: A worker may be busy, and a beat that died is followed by another one within 20 s.
_LATE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """An entry of the schedule; times are Unix seconds of the session Redis.

    *variable* is what says when it runs, and *value* what it is set to; *switch* is the
    variable that turns it off. *next* is `None` when it is off. It is *overdue* when no
    run has begun though it was due a minute ago.
    """

    name: str
    task: str
    enabled: bool
    switch: str
    variable: str
    value: str
    sent: float
    next: float | None
    overdue: bool
    record: Record


def overview(
    entries: Iterable[Entry], settings: Settings, store: UpkeepStore
) -> tuple[Beat, list[Row]]:
    """Return what is known of beat, and of each of the *entries*.

    What is set is what *settings* say here; the active beat may have others.

    Raises:
        StoreUnavailable: the session Redis is away.
    """
    listed = list(entries)
    beat, records = store.look(entry.task for entry in listed)
    return beat, [_row(one, settings, beat, records[one.task]) for one in listed]


def _row(entry: Entry, settings: Settings, beat: Beat, record: Record) -> Row:
    variable, value = entry.source(settings)
    enabled = entry.enabled(settings)
    schedule = entry.schedule(settings)
    sent = beat.sent.get(entry.name, 0.0)
    # Where nothing ever ran, it is late counted from when beat began.
    begun = record.started or beat.since
    late = begun > 0 and due(schedule, begun, beat.now) + _LATE < beat.now
    return Row(
        name=entry.name,
        task=entry.task,
        enabled=enabled,
        switch=entry.switch(),
        variable=variable,
        value=value,
        sent=sent,
        next=max(beat.now, due(schedule, sent, beat.now)) if enabled else None,
        overdue=enabled and late,
        record=record,
    )
