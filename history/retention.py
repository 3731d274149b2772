"""What is older than it is to be kept, removed in bounded steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, exists
from sqlmodel import col

from history.rollup import rolled_up_to
from history.tables import (
    AuditRow,
    CheckpointRow,
    ClosedRow,
    HourRow,
    PoolSnapshotRow,
    SystemSnapshotRow,
)
from history.tables import figures as tables
from history.tables.writing import remove, utc
from limpet.settings import Settings

#: Rows removed in one transaction: few enough that nobody waits long for SQLite.
BATCH: Final = 500
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS


@dataclass(slots=True)
class Pruned:
    """Rows removed; *more* when the time was over before the work was."""

    snapshots: int = 0
    hours: int = 0
    audit: int = 0
    closed: int = 0
    checkpoints: int = 0
    more: bool = False


def prune(
    engine: Engine, settings: Settings, *, now_ms: int, going: Callable[[], bool]
) -> Pruned:
    """Remove what is too old, while *going*; may be repeated, and run beside itself.

    Snapshots that are not summed up yet stay, however old they are.

    Raises:
        StoreUnavailable: SQL did not do its work; what was removed before is counted
            by nobody.
    """
    done = Pruned()
    for name, key, where in _old(engine, settings, now_ms):
        while removed := remove(engine, key, where, BATCH):
            setattr(done, name, getattr(done, name) + removed)
            if not going():
                done.more = True
                return done
    return done


def _old(
    engine: Engine, settings: Settings, now_ms: int
) -> Sequence[tuple[str, list[Any], ColumnElement[bool]]]:
    """Return for each kind its name, the columns of its key, and what is too old."""

    def day(keep: int) -> int:
        return now_ms - keep * _DAY_MS

    expired = now_ms - settings.checkpoint_keep_hours * _HOUR_MS
    raw = day(settings.snapshot_keep_days)
    event = [AuditRow.pool, AuditRow.ms, AuditRow.seq, AuditRow.item]
    ended = col(ClosedRow.closed) < utc(day(settings.closed_keep_days))
    # A copy of what has ended is not brought back, for as long as that is known.
    copied = exists().where(
        col(CheckpointRow.pool) == col(ClosedRow.pool),
        col(CheckpointRow.session) == col(ClosedRow.session),
    )
    closed = [ClosedRow.pool, ClosedRow.ms, ClosedRow.seq, ClosedRow.item]
    found: list[tuple[str, list[Any], ColumnElement[bool]]] = [
        (
            "hours",
            [HourRow.pool, HourRow.at],
            col(HourRow.at) < utc(day(settings.rollup_keep_days)),
        ),
        ("audit", event, col(AuditRow.at) < utc(day(settings.audit_keep_days))),
        (
            "checkpoints",
            [CheckpointRow.pool, CheckpointRow.session],
            col(CheckpointRow.expires) < utc(expired),
        ),
        ("closed", closed, ended & ~copied),
        (
            "snapshots",
            [SystemSnapshotRow.ms, SystemSnapshotRow.seq],
            col(SystemSnapshotRow.at) < utc(raw),
        ),
    ]
    pool_key = [PoolSnapshotRow.pool, PoolSnapshotRow.ms, PoolSnapshotRow.seq]
    for pool in tables.pools(engine):
        # The last one before an hour is what that hour is counted from, however long
        # before it was taken.
        summed = rolled_up_to(engine, pool)
        last = tables.last_before(engine, pool, summed)
        until = min(raw, summed - _HOUR_MS, last.at_ms if last else 0)
        old = (col(PoolSnapshotRow.pool) == pool) & (
            col(PoolSnapshotRow.at) < utc(max(0, until))
        )
        found.append(("snapshots", pool_key, old))
    return found
