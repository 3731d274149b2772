"""Sums by the hour, of what is in SQL."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from history.point import Point
from history.store import START, moment
from history.tables import figures as tables
from history.tables.cursor import Overtaken, moving, position

HOUR_MS: Final = 3_600_000
#: Hours summed up in one transaction.
_STEP: Final = 24


@dataclass(frozen=True, slots=True)
class RolledUp:
    """What one step summed up; *more* hours may be waiting."""

    hours: int
    more: bool = False


def roll_up(engine: Engine, pool: str) -> RolledUp:
    """Sum up the next hours of *pool* that are over, and in SQL as a whole.

    Safe to run twice and beside itself: an hour's sum replaces the one that is there,
    and the cursor moves in the same transaction. An hour is whole once a snapshot from
    after it was moved to SQL, since those come in order. One without a snapshot has
    no sum.

    Raises:
        StoreUnavailable: SQL did not do its work.
    """
    name = f"hours:{pool}"
    before = position(engine, name, "")
    first = int(before) if before else _hour(tables.first_ms(engine, pool) or 0)
    moved, _ = moment(position(engine, f"snapshots:{pool}", START))
    last = min(_hour(moved), first + _STEP * HOUR_MS)
    if not first or last <= first:
        return RolledUp(0)
    summed = _sums(engine, pool, first, last)
    try:
        with moving(engine, name, before, str(last)) as session:
            tables.write_hours(session, pool, summed)
    except Overtaken:
        return RolledUp(0, more=True)
    return RolledUp(len(summed), more=last < _hour(moved))


def rolled_up_to(engine: Engine, pool: str) -> int:
    """Return up to when *pool* is summed up, in Unix ms; 0 if it never was."""
    return int(position(engine, f"hours:{pool}", "0"))


def _sums(engine: Engine, pool: str, first: int, last: int) -> list[tuple[int, Point]]:
    found = tables.snapshots(engine, pool, since_ms=first, until_ms=last)
    before = tables.last_before(engine, pool, first)
    summed = []
    for start in range(first, last, HOUR_MS):
        within = [one for one in found if start <= one.at_ms < start + HOUR_MS]
        if within:
            summed.append((start, Point.over(within, before)))
            before = within[-1]
    return summed


def _hour(at_ms: int) -> int:
    return at_ms - at_ms % HOUR_MS
