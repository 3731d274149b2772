"""The history in SQL."""

from history.tables.checkpoints import CheckpointRow
from history.tables.cursor import CursorRow
from history.tables.events import AuditRow, ClosedRow
from history.tables.figures import HourRow, PoolSnapshotRow, SystemSnapshotRow

__all__ = [
    "AuditRow",
    "CheckpointRow",
    "ClosedRow",
    "CursorRow",
    "HourRow",
    "PoolSnapshotRow",
    "SystemSnapshotRow",
]
