"""Results that are older than they are to be kept."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Engine

from limpet import database
from results import tables
from results.artifacts import Artifacts

#: Rows removed in one transaction: few enough that no job waits long for SQLite.
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed; *more* when the time was over before the work was."""

    rows: int = 0
    bodies: int = 0
    more: bool = False


def prune(
    engine: Engine, artifacts: Artifacts, *, days: int, budget: float = 30
) -> Removed:
    """Remove rows older than *days*, then the bodies as old that no row names.

    *days* is at least 1; a body that is put again counts as new, so none is taken that
    a running job is about to name. Stops after *budget* seconds and may be repeated:
    what is left is found again. Safe beside running jobs and itself.

    Raises:
        StoreUnavailable: the database or the artifact store is away, or refuses.
    """
    if days < 1:
        raise ValueError("days: must be 1 or more")
    with database.answering():
        return _prune(engine, artifacts, days, budget)


def _prune(engine: Engine, artifacts: Artifacts, days: int, budget: float) -> Removed:
    end = time.monotonic() + budget
    before = datetime.now(UTC) - timedelta(days=days)
    rows = 0
    while removed := tables.remove(engine, before=before, most=_BATCH):
        rows += removed
        if time.monotonic() >= end:
            return Removed(rows, 0, more=True)
    bodies = 0
    for found in artifacts.all():
        old = [one.name for one in found if one.modified < before or one.leftover]
        used = tables.in_use(engine, old)
        for name in old:
            if time.monotonic() >= end:
                return Removed(rows, bodies, more=True)
            if name not in used:
                artifacts.remove(name)
                bodies += 1
    return Removed(rows, bodies)
