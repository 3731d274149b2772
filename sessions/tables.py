"""The history of the pools: a row each time beat takes a snapshot."""

from datetime import UTC, datetime

from sqlalchemy import BigInteger, DateTime, Engine
from sqlmodel import Field, Session, SQLModel

from sessions.session import PoolStats


class PoolSnapshotRow(SQLModel, table=True):
    """What one pool held at one moment; totals count since the pool began."""

    __tablename__ = "pool_snapshots"

    id: int | None = Field(default=None, primary_key=True)
    pool: str = Field(max_length=32, index=True)
    #: UTC, without a zone: SQLite knows none, and both are to hold the same.
    at: datetime = Field(index=True, sa_type=DateTime)
    sessions: int
    expired_waiting: int
    leases: int
    proxies_up: int
    proxies_cooling: int
    acquired_total: int = Field(sa_type=BigInteger)
    created_total: int = Field(sa_type=BigInteger)
    failovers_total: int = Field(sa_type=BigInteger)
    faults_total: int = Field(sa_type=BigInteger)


def save(engine: Engine, stats: PoolStats) -> None:
    """Write *stats* as one row."""
    row = PoolSnapshotRow(
        pool=stats.pool,
        at=datetime.fromtimestamp(stats.at_ms / 1000, UTC).replace(tzinfo=None),
        sessions=stats.sessions,
        expired_waiting=stats.expired_waiting,
        leases=stats.leases,
        proxies_up=stats.proxies_up,
        proxies_cooling=stats.proxies_cooling,
        acquired_total=stats.counters.get("acquired", 0),
        created_total=stats.counters.get("created", 0),
        failovers_total=stats.counters.get("failovers", 0),
        faults_total=stats.counters.get("faults", 0),
    )
    with Session(engine) as session, session.begin():
        session.add(row)
