"""From Redis to SQL, each entry exactly once.

A stream is read after the cursor, which is in SQL; what was read and the cursor's new
place are written in one transaction. Whatever dies in between, and however many do it
at once, an entry is written by the transaction that moves the cursor over it, and by no
other. A stream is trimmed behind the cursor only, never up to it: the last entry that
was read stays, so that it is seen when a stream's cap took more than was read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Engine
from sqlmodel import Session

from history import events
from history.figures import DamagedEntry, PoolFigures, read_pool, read_system
from history.names import Names
from history.store import (
    START,
    Entry,
    HistoryStore,
    audit_of,
    moment,
    snapshots_of,
)
from history.tables import AuditRow, ClosedRow, PoolSnapshotRow, SystemSnapshotRow
from history.tables import figures as tables
from history.tables.cursor import Overtaken, moving, position
from history.tables.writing import Values, insert
from limpet.shards import MOST_SHARDS

#: Entries of one transaction; one that tells of a clean-up makes 50 rows.
BATCH: Final = 500
#: Events that were written stay in Redis for so long, for those who look there.
_STAY_MS: Final = 3_600_000
#: Entries that one line of the log names.
_TOLD: Final = 10

log = structlog.get_logger(__name__)

#: Writes entries, and returns the ids of those that are none of ours.
Write = Callable[[Session, Sequence[Entry]], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Drained:
    """What one step moved; *gap* says that entries may have been lost before it.

    Of the *entries* those that are *damaged* were left out: something else wrote them.
    """

    entries: int
    more: bool = False
    gap: bool = False
    damaged: int = 0


class Drain:
    """Moves streams to SQL, a bounded step at a time; safe beside itself.

    Every step raises `StoreUnavailable` when Redis or SQL does not do its work, and
    then nothing of it was done.
    """

    def __init__(self, store: HistoryStore, engine: Engine, names: Names) -> None:
        self._store = store
        self._engine = engine
        self._names = names

    def audit(self, pool: str) -> Drained:
        """Move events of a pool, and write the sessions that they say have ended."""
        shards = self._store.shards.of(pool)
        parts = [self._audit(pool, *one) for one in enumerate(shards)]
        return Drained(
            sum(part.entries for part in parts),
            more=any(part.more for part in parts),
            gap=any(part.gap for part in parts),
            damaged=sum(part.damaged for part in parts),
        )

    def _audit(self, pool: str, number: int, shard: str) -> Drained:
        def write(session: Session, entries: Sequence[Entry]) -> list[str]:
            ours, damaged = events.sound(entries)
            if shard != pool:
                ours = [(_of_shard(key, number), said) for key, said in ours]
            insert(session, AuditRow, events.audit_rows(pool, ours, self._names))
            insert(session, ClosedRow, events.closed_rows(pool, ours, self._names))
            return damaged

        def gap(session: Session, after: str, first: Entry) -> None:
            if shard != pool:
                first = (_of_shard(first[0], number), first[1])
            insert(session, AuditRow, [events.gap_row(pool, after, first)])

        stream = audit_of(shard)
        done, last = self._step(stream, f"audit:{shard}", write, gap)
        if done.gap:
            # Loud: it is in the log, in the history, and in a counter of the pool.
            self._store.count(pool, "audit_gaps", 1)
        if done.entries:
            before = min(moment(last)[0], self._store.now_ms() - _STAY_MS)
            self._store.trim(stream, before)
        return done

    def snapshots(self, pool: str) -> Drained:
        """Move snapshots of a pool."""

        def write(session: Session, entries: Sequence[Entry]) -> list[str]:
            rows: list[Values] = []
            damaged: list[str] = []
            before: PoolFigures | None = None
            for entry in entries:
                ms, seq = moment(entry[0])
                try:
                    figures = read_pool(entry, pool)
                except DamagedEntry:
                    damaged.append(entry[0])
                    continue
                before = before or tables.last_before(self._engine, pool, ms)
                rows.append(tables.pool_values(ms, seq, figures, before))
                before = figures
            insert(session, PoolSnapshotRow, rows)
            return damaged

        return self._step(snapshots_of(pool), f"snapshots:{pool}", write)[0]

    def system(self) -> Drained:
        """Move snapshots of what all pools share."""

        def write(session: Session, entries: Sequence[Entry]) -> list[str]:
            rows: list[Values] = []
            damaged: list[str] = []
            for entry in entries:
                try:
                    figures = read_system(entry)
                except DamagedEntry:
                    damaged.append(entry[0])
                else:
                    rows.append(tables.system_values(*moment(entry[0]), figures))
            insert(session, SystemSnapshotRow, rows)
            return damaged

        return self._step(snapshots_of(None), "system", write)[0]

    def _step(
        self,
        stream: str,
        cursor: str,
        write: Write,
        tell_gap: Callable[[Session, str, Entry], None] | None = None,
    ) -> tuple[Drained, str]:
        """Move one batch; return what was done, and the last entry's id."""
        while True:
            after = position(self._engine, cursor, START)
            found = self._store.waiting(stream, after, BATCH)
            if not found.entries:
                return Drained(0), after
            last = found.entries[-1][0]
            try:
                with moving(self._engine, cursor, after, last) as session:
                    if found.gap and tell_gap:
                        tell_gap(session, after, found.entries[0])
                    damaged = write(session, found.entries)
            except Overtaken:
                continue
            if found.gap:
                log.error(
                    "history_lost",
                    stream=stream,
                    after=after,
                    first=found.entries[0][0],
                )
            if found.anew:
                log.warning("history_began_anew", stream=stream, after=after)
            if damaged:
                log.error("history_damaged", stream=stream, entries=damaged[:_TOLD])
            moved = len(found.entries)
            return Drained(moved, found.more, found.gap, len(damaged)), last


def _of_shard(entry_id: str, number: int) -> str:
    """Return what an entry is called in SQL, where no two of a pool are called alike.

    Each shard numbers its own of one ms.
    """
    ms, seq = moment(entry_id)
    return f"{ms}-{seq * MOST_SHARDS + number}"
