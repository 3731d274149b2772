"""What happened, and the sessions that ended: rows made of audit events."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Engine, Index
from sqlmodel import Field, Session, SQLModel, col, select

from history.tables.writing import unix_ms
from limpet.database import answering


class AuditRow(SQLModel, table=True):
    """One event. Its key is that of the stream's entry; of several sessions, *item*.

    Times are UTC without saying so, as SQLite keeps them.
    """

    __tablename__ = "audit_events"
    __table_args__ = (Index("ix_audit_events_session", "pool", "session"),)

    pool: str = Field(primary_key=True, max_length=32)
    ms: int = Field(primary_key=True, sa_type=BigInteger)
    seq: int = Field(primary_key=True)
    item: int = Field(primary_key=True)
    at: datetime = Field(sa_type=DateTime, index=True)
    event: str = Field(max_length=32)
    session: str | None = Field(max_length=128)
    proxy: str | None = Field(max_length=10)
    details: Any = Field(sa_type=JSON)


class ClosedRow(SQLModel, table=True):
    """One session that ended; its key is that of the event which told of it."""

    __tablename__ = "closed_sessions"
    __table_args__ = (Index("ix_closed_sessions_session", "pool", "session"),)

    pool: str = Field(primary_key=True, max_length=32)
    ms: int = Field(primary_key=True, sa_type=BigInteger)
    seq: int = Field(primary_key=True)
    item: int = Field(primary_key=True)
    session: str = Field(max_length=128)
    proxy: str = Field(max_length=10)
    created: datetime = Field(sa_type=DateTime)
    closed: datetime = Field(sa_type=DateTime, index=True)
    reason: str = Field(max_length=16)
    requests: int = Field(sa_type=BigInteger)
    failovers: int
    bytes: int = Field(sa_type=BigInteger)


def events_of(
    engine: Engine, pool: str, session: str, *, most: int
) -> list[dict[str, Any]]:
    """Return the newest events of a session, named as it is in SQL; ``at`` is in ms."""
    query = (
        select(AuditRow)
        .where(AuditRow.pool == pool, AuditRow.session == session)
        .order_by(*(col(getattr(AuditRow, name)).desc() for name in ("ms", "seq")))
        .limit(most)
    )
    with answering(), Session(engine) as found:
        return [
            {"event": row.event, "session": session}
            | ({"proxy": row.proxy} if row.proxy else {})
            | row.details
            | {"at": str(row.ms)}
            for row in found.exec(query)
        ]


def closed(
    engine: Engine, pool: str, *, since_ms: int = 0, most: int = 1000
) -> list[ClosedRow]:
    """Return the sessions that ended last, the newest first."""
    query = (
        select(ClosedRow)
        .where(ClosedRow.pool == pool, ClosedRow.ms >= since_ms)
        .order_by(*(col(getattr(ClosedRow, name)).desc() for name in ("ms", "seq")))
        .limit(most)
    )
    with answering(), Session(engine) as found:
        return list(found.exec(query))


def last_closed(engine: Engine, pool: str, session: str) -> ClosedRow | None:
    """Return the last end of a session, named as it is in SQL."""
    query = (
        select(ClosedRow)
        .where(ClosedRow.pool == pool, ClosedRow.session == session)
        .order_by(*(col(getattr(ClosedRow, name)).desc() for name in ("ms", "seq")))
        .limit(1)
    )
    with answering(), Session(engine) as found:
        return found.exec(query).one_or_none()


def ended(engine: Engine, pool: str, names: Sequence[str]) -> set[tuple[str, int]]:
    """Return of the sessions with these *names* which ended: name, created in ms."""
    query = select(ClosedRow.session, ClosedRow.created).where(
        ClosedRow.pool == pool, col(ClosedRow.session).in_(names)
    )
    with answering(), Session(engine) as found:
        return {(name, unix_ms(created)) for name, created in found.exec(query)}


def all_events(engine: Engine, pool: str) -> Iterator[AuditRow]:
    """Go through all events of a pool, the oldest first."""
    order = [col(getattr(AuditRow, name)) for name in ("ms", "seq", "item")]
    query = select(AuditRow).where(AuditRow.pool == pool).order_by(*order)
    with answering(), Session(engine) as found:
        yield from found.exec(query.execution_options(yield_per=500))
