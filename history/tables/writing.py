"""Rows written once, and removed when they are old."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, delete, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, SQLModel, select

from limpet.database import answering

Values = Mapping[str, Any]


def utc(at_ms: float) -> datetime:
    """Return a time as it is kept: UTC without saying so, as SQLite can."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).replace(tzinfo=None)


def unix_ms(at: datetime) -> int:
    return round(at.replace(tzinfo=UTC).timestamp() * 1000)


def insert(session: Session, table: type[SQLModel], rows: Sequence[Values]) -> None:
    """Write *rows*, all with the same columns; those there already stay as they are."""
    if rows:
        made = _dialect(session).insert(table).on_conflict_do_nothing()
        session.connection().execute(made, [dict(row) for row in rows])


def upsert(
    session: Session, table: type[SQLModel], key: Sequence[str], rows: Sequence[Values]
) -> None:
    """Write *rows*, all with the same columns, over those that are there already."""
    if rows:
        made = _dialect(session).insert(table)
        anew = {name: made.excluded[name] for name in rows[0] if name not in key}
        over = made.on_conflict_do_update(index_elements=list(key), set_=anew)
        session.connection().execute(over, [dict(row) for row in rows])


def remove(
    engine: Engine, key: Sequence[Any], where: ColumnElement[bool], most: int
) -> int:
    """Remove up to *most* rows *where* it is so, in one transaction; return how many.

    *key* are the columns of the table's primary key. Raises `StoreUnavailable`.
    """
    some = select(*key).where(where).limit(most)
    with answering(), Session(engine) as session, session.begin():
        query = delete(key[0].table).where(tuple_(*key).in_(some))
        return session.connection().execute(query).rowcount


def _dialect(session: Session) -> Any:
    name = session.connection().dialect.name
    return postgresql if name == "postgresql" else sqlite
