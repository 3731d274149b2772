"""Copies of living sessions, to rebuild Redis from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Engine,
    LargeBinary,
    Text,
    func,
    update,
)
from sqlmodel import Field, Session, SQLModel, col, select

from history.tables.writing import Values, unix_ms, upsert, utc
from limpet.database import answering

#: What a write without a state leaves as it is.
_KEPT: Final = frozenset({"pool", "session", "state"})


class CheckpointRow(SQLModel, table=True):
    """One session as it was at *written*.

    *session* is what it is called in SQL; *name* its id, sealed, where that is another.
    *fields* are those of its hash that mean the same anywhere, *mark* a hash of them.
    *state* is the blob as it is in Redis, sealed there if it is sealed here.
    """

    __tablename__ = "session_checkpoints"

    pool: str = Field(primary_key=True, max_length=32)
    session: str = Field(primary_key=True, max_length=128)
    name: str = Field(sa_type=Text)
    proxy: str = Field(max_length=10)
    created: datetime = Field(sa_type=DateTime)
    expires: datetime = Field(sa_type=DateTime, index=True)
    fields: Any = Field(sa_type=JSON)
    mark: str = Field(max_length=32)
    version: int = Field(sa_type=BigInteger)
    state: bytes = Field(sa_type=LargeBinary)
    written: datetime = Field(sa_type=DateTime)


@dataclass(frozen=True, slots=True)
class Copy:
    """A session to keep; times in Unix ms.

    *state* is empty for none; `None` means that the one which is kept already stays.
    *written_ms* is known of those that are read.
    """

    session: str
    name: str
    proxy: str
    created_ms: int
    expires_ms: int
    fields: dict[str, str]
    mark: str
    version: int
    state: bytes | None
    written_ms: int = 0


def marks(
    engine: Engine, pool: str, sessions: Sequence[str]
) -> dict[str, tuple[str, int]]:
    """Return the mark and the state's version of those of *sessions* that are kept."""
    query = select(
        CheckpointRow.session, CheckpointRow.mark, CheckpointRow.version
    ).where(CheckpointRow.pool == pool, col(CheckpointRow.session).in_(sessions))
    with answering(), Session(engine) as session:
        return {name: (mark, version) for name, mark, version in session.exec(query)}


def write(session: Session, pool: str, copies: Sequence[Copy], at_ms: int) -> None:
    """Write *copies* over those of the same sessions."""
    # By key, so that two writers of the same rows cannot wait for each other.
    ordered = sorted(copies, key=lambda one: one.session)
    rows = [_values(pool, one, at_ms) for one in ordered]
    whole = [row for row in rows if row["state"] is not None]
    upsert(session, CheckpointRow, ["pool", "session"], whole)
    for row in rows:
        if row["state"] is None:
            # If its row has gone meanwhile, the next checkpoint writes it whole.
            values = {k: v for k, v in row.items() if k not in _KEPT}
            there = update(CheckpointRow).where(
                col(CheckpointRow.pool) == pool,
                col(CheckpointRow.session) == row["session"],
            )
            session.connection().execute(there.values(values))


def count(engine: Engine, pool: str) -> int:
    """How many sessions of the pool are kept."""
    query = (
        select(func.count())
        .select_from(CheckpointRow)
        .where(CheckpointRow.pool == pool)
    )
    with answering(), Session(engine) as session:
        return int(session.exec(query).one())


def pools(engine: Engine) -> list[str]:
    """The pools that have a copy, by name."""
    query = select(CheckpointRow.pool).distinct().order_by(col(CheckpointRow.pool))
    with answering(), Session(engine) as session:
        return list(session.exec(query))


def written(engine: Engine, pool: str, sessions: Sequence[str]) -> dict[str, int]:
    """Return when the copies of *sessions*, of those that there are, were written."""
    query = select(CheckpointRow.session, CheckpointRow.written).where(
        CheckpointRow.pool == pool, col(CheckpointRow.session).in_(sessions)
    )
    with answering(), Session(engine) as session:
        return {name: unix_ms(at) for name, at in session.exec(query)}


def names(engine: Engine, pool: str, size: int) -> Iterator[list[tuple[str, str]]]:
    """Go through what the copies are called and their sealed ids, *size* at a time."""
    last = ""
    while True:
        query = (
            select(CheckpointRow.session, CheckpointRow.name)
            .where(CheckpointRow.pool == pool, col(CheckpointRow.session) > last)
            .order_by(col(CheckpointRow.session))
            .limit(size)
        )
        with answering(), Session(engine) as session:
            found = [(label, sealed) for label, sealed in session.exec(query)]
        if not found:
            return
        yield found
        last = found[-1][0]


def batches(engine: Engine, pool: str, size: int) -> Iterator[list[Copy]]:
    """Go through all copies of the pool, *size* at a time."""
    last = ""
    while True:
        query = (
            select(CheckpointRow)
            .where(CheckpointRow.pool == pool, col(CheckpointRow.session) > last)
            .order_by(col(CheckpointRow.session))
            .limit(size)
        )
        with answering(), Session(engine) as session:
            found = [_copy(row) for row in session.exec(query)]
        if not found:
            return
        yield found
        last = found[-1].session


def _values(pool: str, one: Copy, at_ms: int) -> Values:
    return {
        "pool": pool,
        "session": one.session,
        "name": one.name,
        "proxy": one.proxy,
        "created": utc(one.created_ms),
        "expires": utc(one.expires_ms),
        "fields": one.fields,
        "mark": one.mark,
        "version": one.version,
        "state": one.state,
        "written": utc(at_ms),
    }


def _copy(row: CheckpointRow) -> Copy:
    return Copy(
        session=row.session,
        name=row.name,
        proxy=row.proxy,
        created_ms=unix_ms(row.created),
        expires_ms=unix_ms(row.expires),
        fields=row.fields,
        mark=row.mark,
        version=row.version,
        state=row.state,
        written_ms=unix_ms(row.written),
    )
