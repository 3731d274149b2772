"""The dead letters of record. What may be secret is in one column, sealed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import DateTime, Engine, Text, delete, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel, col, select

from limpet.database import answering
from limpet.dead.letter import NAME_MAX, Letter, Reason, clean

#: Letters in one statement: SQLite takes 999 values at least.
_CHUNK: Final = 100


class DeadLetterRow(SQLModel, table=True):
    """One dead letter; times are UTC without saying so, as SQLite keeps them."""

    __tablename__ = "dead_letters"

    id: str = Field(primary_key=True, max_length=NAME_MAX)
    task: str = Field(max_length=NAME_MAX, index=True)
    queue: str = Field(max_length=NAME_MAX)
    reason: str = Field(max_length=16, index=True)
    error: str = Field(sa_type=Text)
    payload: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=DateTime, index=True)


def save(engine: Engine, letters: Sequence[Letter]) -> None:
    """Write *letters*; one that is there already is written over.

    Raises:
        StoreUnavailable: the database did not answer, or has no tables yet.
    """
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    with answering(), Session(engine) as session, session.begin():
        for start in range(0, len(letters), _CHUNK):
            rows = [_row(one) for one in letters[start : start + _CHUNK]]
            insert: Any = dialect.insert(DeadLetterRow).values(rows)
            anew = {name: insert.excluded[name] for name in rows[0] if name != "id"}
            session.execute(
                insert.on_conflict_do_update(index_elements=["id"], set_=anew)
            )


def load(
    engine: Engine,
    *,
    ids: Sequence[str] = (),
    reason: str | None = None,
    task: str | None = None,
    limit: int | None = None,
) -> list[Letter]:
    """Return letters, the newest first: those of *ids*, of a *reason*, of a *task*.

    Raises:
        StoreUnavailable: the database did not answer, or has no tables yet.
    """
    query = select(DeadLetterRow).order_by(col(DeadLetterRow.at).desc())
    if ids:
        names = [clean(one, NAME_MAX) for one in ids]
        query = query.where(col(DeadLetterRow.id).in_(names))
    query = query.where(*_wanted(reason, task))
    with answering(), Session(engine) as session:
        return [_letter(row) for row in session.exec(query.limit(limit))]


def remove(
    engine: Engine, *, ids: Sequence[str] = (), before: float | None = None
) -> int:
    """Remove the letters of *ids*, those from *before* that Unix time, or of both.

    Returns how many there were. Raises `StoreUnavailable`.
    """
    old = delete(DeadLetterRow)
    if before is not None:
        old = old.where(col(DeadLetterRow.at) < _utc(before))
    chunks = [ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK)]
    queries = [old.where(col(DeadLetterRow.id).in_(some)) for some in chunks]
    if before is not None and not ids:
        queries = [old]
    with answering(), Session(engine) as session, session.begin():
        return sum(_removed(session, query) for query in queries)


def count(
    engine: Engine, *, reason: str | None = None, task: str | None = None
) -> dict[str, int]:
    """Return how many letters are kept, by reason; of one, or of a *task*, if named.

    Raises `StoreUnavailable`.
    """
    query = select(DeadLetterRow.reason, func.count()).group_by(
        col(DeadLetterRow.reason)
    )
    with answering(), Session(engine) as session:
        return dict(session.exec(query.where(*_wanted(reason, task))).all())


def _wanted(reason: str | None, task: str | None) -> list[Any]:
    name = clean(task, NAME_MAX) if task else task
    given = {DeadLetterRow.reason: reason, DeadLetterRow.task: name}
    return [column == value for column, value in given.items() if value]


def _removed(session: Session, query: Any) -> int:
    done: Any = session.execute(query)
    return int(done.rowcount)


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None)


def _row(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "task": letter.task,
        "queue": letter.queue,
        "reason": letter.reason.value,
        "error": letter.error,
        "payload": letter.payload,
        "at": _utc(letter.at),
    }


def _letter(row: DeadLetterRow) -> Letter:
    return Letter(
        id=row.id,
        task=row.task,
        queue=row.queue,
        reason=Reason(row.reason),
        error=row.error,
        payload=row.payload,
        at=row.at.replace(tzinfo=UTC).timestamp(),
    )
