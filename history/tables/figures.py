"""Snapshots, and their sums by the hour."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, DateTime, Engine
from sqlmodel import Field, Session, SQLModel, col, func, select

from history.figures import LARGEST, PoolFigures, SystemFigures
from history.point import Point
from history.tables.writing import Values, unix_ms, upsert, utc
from history.totals import Spread, Totals
from limpet.database import answering

_SPREADS: Final = ("response", "lifetime", "render")


class PoolSnapshotRow(SQLModel, table=True):
    """One pool at one moment; *totals* count since the pool began.

    *seconds* to *lifetime_mean_s* say what happened since the snapshot before it. The
    first one of a pool tells what happened since that began, and *seconds* is 0.
    """

    __tablename__ = "pool_snapshots"

    pool: str = Field(primary_key=True, max_length=32)
    ms: int = Field(primary_key=True, sa_type=BigInteger)
    seq: int = Field(primary_key=True)
    #: UTC, without a zone: SQLite knows none, and both are to hold the same.
    at: datetime = Field(sa_type=DateTime, index=True)
    active: int
    expired_waiting: int
    leased: int
    warm: int
    proxies_up: int
    proxies_cooling: int
    proxies: Any = Field(sa_type=JSON)
    looked_at: int
    sessions_min: int
    sessions_max: int
    sessions_mean: float
    sessions_skew: float
    totals: Any = Field(sa_type=JSON)
    seconds: float
    created: int
    ended: int
    requests: int
    failovers: int
    failover_rate: float
    response_mean_ms: float
    response_p50_ms: float
    response_p95_ms: float
    response_p99_ms: float
    lifetime_mean_s: float


class SystemSnapshotRow(SQLModel, table=True):
    """What all pools share, at one moment."""

    __tablename__ = "system_snapshots"

    ms: int = Field(primary_key=True, sa_type=BigInteger)
    seq: int = Field(primary_key=True)
    at: datetime = Field(sa_type=DateTime, index=True)
    memory_bytes: int = Field(sa_type=BigInteger)
    memory_limit_bytes: int = Field(sa_type=BigInteger)
    queues: Any = Field(sa_type=JSON)
    cleanup_runs: int = Field(sa_type=BigInteger)
    cleanup_failures: int = Field(sa_type=BigInteger)
    cleanup_failure_rate: float
    cleanup_last_ok: datetime | None = Field(sa_type=DateTime)
    cleanup_last_removed: int = Field(sa_type=BigInteger)


class HourRow(SQLModel, table=True):
    """What one pool did in one hour, which began at *at*; see `history.point.Point`."""

    __tablename__ = "pool_hours"

    pool: str = Field(primary_key=True, max_length=32)
    at: datetime = Field(primary_key=True, sa_type=DateTime, index=True)
    samples: int
    active: float
    active_max: int
    requests: int = Field(sa_type=BigInteger)
    created: int = Field(sa_type=BigInteger)
    ended: int = Field(sa_type=BigInteger)
    failovers: int = Field(sa_type=BigInteger)
    response_mean_ms: float
    response_p95_ms: float
    #: All of the point, as JSON.
    point: Any = Field(sa_type=JSON)


def pool_values(
    ms: int, seq: int, figures: PoolFigures, before: PoolFigures | None
) -> Values:
    """Return the row of a snapshot, *before* which there was another one."""
    gauges = asdict(figures)
    gauges.pop("at_ms")
    gauges.pop("first")
    point = Point.over([figures], before)
    return {
        **gauges,
        "ms": ms,
        "seq": seq,
        "at": utc(ms),
        "seconds": point.seconds,
        "created": min(LARGEST, point.created),
        "ended": min(LARGEST, point.ended),
        "requests": min(LARGEST, point.requests),
        "failovers": min(LARGEST, point.failovers),
        "failover_rate": point.failover_rate,
        "response_mean_ms": point.response.mean,
        "response_p50_ms": point.response.p50,
        "response_p95_ms": point.response.p95,
        "response_p99_ms": point.response.p99,
        "lifetime_mean_s": point.lifetime.mean,
    }


def system_values(ms: int, seq: int, figures: SystemFigures) -> Values:
    values = asdict(figures)
    last = values.pop("cleanup_last_ok_ms")
    values.pop("at_ms")
    ended = utc(last) if last else None
    return {**values, "ms": ms, "seq": seq, "at": utc(ms), "cleanup_last_ok": ended}


def snapshots(
    engine: Engine, pool: str, *, since_ms: int, until_ms: int
) -> list[PoolFigures]:
    """Return the pool's snapshots from then to then, the oldest first."""
    query = (
        select(PoolSnapshotRow)
        .where(
            PoolSnapshotRow.pool == pool,
            PoolSnapshotRow.ms >= since_ms,
            PoolSnapshotRow.ms < until_ms,
        )
        .order_by(col(PoolSnapshotRow.ms), col(PoolSnapshotRow.seq))
    )
    with answering(), Session(engine) as session:
        return [_figures(row) for row in session.exec(query)]


def last_before(engine: Engine, pool: str, before_ms: int) -> PoolFigures | None:
    """Return the pool's last snapshot from before that time."""
    query = (
        select(PoolSnapshotRow)
        .where(PoolSnapshotRow.pool == pool, PoolSnapshotRow.ms < before_ms)
        .order_by(col(PoolSnapshotRow.ms).desc(), col(PoolSnapshotRow.seq).desc())
        .limit(1)
    )
    with answering(), Session(engine) as session:
        found = session.exec(query).one_or_none()
        return _figures(found) if found else None


def first_ms(engine: Engine, pool: str) -> int | None:
    """Return when the pool's oldest snapshot was taken."""
    query = select(func.min(PoolSnapshotRow.ms)).where(PoolSnapshotRow.pool == pool)
    with answering(), Session(engine) as session:
        return session.exec(query).one()


def system_snapshots(
    engine: Engine, *, since_ms: int, until_ms: int
) -> list[SystemFigures]:
    """Return what all pools shared from then to then, the oldest first."""
    query = (
        select(SystemSnapshotRow)
        .where(SystemSnapshotRow.ms >= since_ms, SystemSnapshotRow.ms < until_ms)
        .order_by(col(SystemSnapshotRow.ms), col(SystemSnapshotRow.seq))
    )
    with answering(), Session(engine) as session:
        return [_system(row) for row in session.exec(query)]


def pools(engine: Engine) -> list[str]:
    """The pools that have a snapshot, by name."""
    query = select(PoolSnapshotRow.pool).distinct().order_by(col(PoolSnapshotRow.pool))
    with answering(), Session(engine) as session:
        return list(session.exec(query))


def write_hours(
    session: Session, pool: str, hours: Sequence[tuple[int, Point]]
) -> None:
    """Write sums of hours, which begin at so many Unix ms; those there are replaced."""
    rows = [
        {
            "pool": pool,
            "at": utc(start),
            "point": asdict(point),
            "samples": point.samples,
            "active": point.active,
            "active_max": point.active_max,
            "requests": point.requests,
            "created": point.created,
            "ended": point.ended,
            "failovers": point.failovers,
            "response_mean_ms": point.response.mean,
            "response_p95_ms": point.response.p95,
        }
        for start, point in hours
    ]
    upsert(session, HourRow, ["pool", "at"], rows)


def hours(engine: Engine, pool: str, *, since_ms: int) -> list[Point]:
    """Return the sums of the pool's hours that began since then, the oldest first."""
    query = (
        select(HourRow.point)
        .where(HourRow.pool == pool, col(HourRow.at) >= utc(since_ms))
        .order_by(col(HourRow.at))
    )
    with answering(), Session(engine) as session:
        return [_point(found) for found in session.exec(query)]


def _figures(row: PoolSnapshotRow) -> PoolFigures:
    found = {
        name: getattr(row, name)
        for name in PoolFigures.__slots__
        if name not in {"at_ms", "first"}
    }
    totals = Totals.read(row.totals)
    # Of no time that is known, and yet it says that something has happened.
    first = not row.seconds and bool(row.created or row.requests or row.ended)
    return PoolFigures(**{**found, "at_ms": row.ms, "totals": totals, "first": first})


def _system(row: SystemSnapshotRow) -> SystemFigures:
    last = row.cleanup_last_ok
    values = {
        name: getattr(row, name)
        for name in SystemFigures.__slots__
        if name not in {"at_ms", "cleanup_last_ok_ms"}
    }
    ended = unix_ms(last) if last else 0
    return SystemFigures(**values, at_ms=row.ms, cleanup_last_ok_ms=ended)


def _point(found: Any) -> Point:
    values = json.loads(found) if isinstance(found, str) else dict(found)
    # One that an older version has written has no *render*.
    spreads = {one: Spread(**values.get(one, {})) for one in _SPREADS}
    return Point(**{**values, **spreads})
