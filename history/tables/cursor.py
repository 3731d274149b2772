"""How far something has come: moved in the transaction that writes what it passed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Engine, delete, update
from sqlmodel import Field, Session, SQLModel, col, select

from history.tables.writing import insert
from limpet.database import answering


class CursorRow(SQLModel, table=True):
    """Where one reader of one thing is."""

    __tablename__ = "history_cursors"

    name: str = Field(primary_key=True, max_length=64)
    position: str = Field(max_length=64)


class Overtaken(Exception):
    """Somebody else has moved the cursor; nothing was written."""


def position(engine: Engine, name: str, start: str) -> str:
    """Return where *name* is, *start* if it is new. Raises `StoreUnavailable`."""
    query = select(CursorRow.position).where(CursorRow.name == name)
    with answering(), Session(engine) as session:
        return session.exec(query).one_or_none() or start


def forget(engine: Engine, names: Sequence[str]) -> None:
    """Have whoever reads these things begin anew. Raises `StoreUnavailable`."""
    with answering(), Session(engine) as session:
        session.exec(delete(CursorRow).where(col(CursorRow.name).in_(names)))
        session.commit()


@contextmanager
def moving(engine: Engine, name: str, before: str, after: str) -> Iterator[Session]:
    """Move the cursor, and give the transaction in which what it passes is written.

    Both happen or neither; of two who pass the same, one does.

    Raises:
        Overtaken: it is not at *before* any more.
        StoreUnavailable: SQL did not do its work.
    """
    with answering(), Session(engine) as session, session.begin():
        insert(session, CursorRow, [{"name": name, "position": before}])
        # Who comes second waits here, and then finds it moved.
        moved = session.connection().execute(
            update(CursorRow)
            .where(col(CursorRow.name) == name, col(CursorRow.position) == before)
            .values(position=after)
        )
        if moved.rowcount != 1:
            raise Overtaken
        yield session
