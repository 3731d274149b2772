"""Durable results in SQL: a row a page, written once however often its job runs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Engine,
    Index,
    RowMapping,
    Text,
    delete,
    func,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel, col, select
from sqlmodel.sql.expression import SelectOfScalar

from results.page import StoredPage, Wanted, fields_of, plain, text, utc

#: Rows written in one statement, or read at a time: of 15 values each, below what the
#: oldest SQLite takes (999 are its own bound, which goes for one row of a batch).
_CHUNK: Final = 500
#: What a repeated job does not change: the key, and when the page was first kept.
_FIXED: Final = frozenset({"job", "item", "created"})
#: PostgreSQL's index entries end at 2,700 bytes, and nobody's task id is as long.
_ID_MAX: Final = 255
_Item = TypeVar("_Item")
_Query = TypeVar("_Query", bound=SelectOfScalar[Any])


class PageRow(SQLModel, table=True):
    """One page of one job; times are UTC without saying so, as SQLite keeps them."""

    __tablename__ = "pages"
    __table_args__ = (Index("ix_pages_session", "pool", "session"),)

    job: str = Field(primary_key=True, max_length=_ID_MAX)
    item: int = Field(primary_key=True)
    pool: str = Field(max_length=32)
    session: str | None = Field(max_length=128)
    proxy: str = Field(max_length=10)
    generation: int
    url: str = Field(sa_type=Text)
    status: int | None
    content_type: str = Field(max_length=255)
    size: int = Field(sa_type=BigInteger)
    elapsed: float
    data: Any = Field(sa_type=JSON(none_as_null=True), nullable=True)
    artifact: str | None = Field(max_length=64, index=True)
    error: str | None = Field(sa_type=Text)
    created: datetime = Field(sa_type=DateTime, index=True)


def save(engine: Engine, pages: Sequence[StoredPage]) -> None:
    """Write *pages*, all or none; one that is there is replaced, its age stays.

    So a job that is delivered twice is kept once, as its last run saw it.
    """
    with Session(engine) as session, session.begin():
        upsert = _upsert(engine.dialect.name)
        # By key, so that two writers of the same rows cannot wait for each other.
        last = {(one.job, one.item): one for one in pages}
        ordered = [last[key] for key in sorted(last)]
        for chunk in _chunks(ordered):
            session.connection().execute(upsert, [_values(one) for one in chunk])


def check(engine: Engine) -> None:
    """Ask for nothing of the table: it raises where that cannot be done."""
    with engine.connect() as connection:
        connection.execute(select(PageRow.job).limit(0))


def get(engine: Engine, job: str, item: int = 0) -> StoredPage | None:
    """Return one page, `None` when there is none such."""
    one = select(PageRow).where(PageRow.job == _id(job), PageRow.item == item)
    with engine.connect() as connection:
        row = connection.execute(one).mappings().one_or_none()
        return _page(row) if row else None


def items(engine: Engine, job: str) -> set[int]:
    """The items of *job* that are kept: after a crash it goes on with the others."""
    with Session(engine) as session:
        return set(session.exec(select(PageRow.item).where(PageRow.job == _id(job))))


def count(engine: Engine, wanted: Wanted) -> int:
    """How many pages are *wanted*."""
    query = _where(select(func.count()).select_from(PageRow), wanted)
    with Session(engine) as session:
        return int(session.exec(query).one())


def find(
    engine: Engine, wanted: Wanted, *, newest: bool = False, limit: int | None = None
) -> Iterator[StoredPage]:
    """Yield what is *wanted*, the oldest first, without holding it all in memory."""
    order = [col(PageRow.created), col(PageRow.job), col(PageRow.item)]
    query = _where(select(PageRow), wanted).order_by(
        *(one.desc() if newest else one for one in order)
    )
    # A connection's rows, not a session's objects: those would cost most of the time.
    with engine.connect() as connection:
        found = query.limit(limit).execution_options(yield_per=_CHUNK)
        for row in connection.execute(found).mappings():
            yield _page(row)


def remove(engine: Engine, *, before: datetime, most: int) -> int:
    """Remove up to *most* pages first kept *before* then; return how many."""
    key = tuple_(col(PageRow.job), col(PageRow.item))
    old = (
        select(PageRow.job, PageRow.item)
        .where(col(PageRow.created) < utc(before))
        .order_by(col(PageRow.created))
        .limit(most)
    )
    with Session(engine) as session, session.begin():
        done = session.connection().execute(delete(PageRow).where(key.in_(old)))
        return done.rowcount


def in_use(engine: Engine, artifacts: Iterable[str]) -> set[str]:
    """Those of *artifacts* that a row names."""
    used: set[str] = set()
    with Session(engine) as session:
        for chunk in _chunks(list(artifacts)):
            query = select(PageRow.artifact).distinct()
            named = session.exec(query.where(col(PageRow.artifact).in_(chunk)))
            used.update(one for one in named if one)
    return used


def _chunks(found: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    return (found[n : n + _CHUNK] for n in range(0, len(found), _CHUNK))


def _where(query: _Query, wanted: Wanted) -> _Query:
    for name, value in asdict(wanted).items():
        if value is None:
            continue
        column = col(getattr(PageRow, "created" if name == "since" else name))
        fits = column >= utc(value) if name == "since" else column == _id(value)
        query = query.where(fits)
    return query


def _id(name: str) -> str:
    return text(name)[:_ID_MAX]


def _upsert(dialect: str) -> sqlite.Insert | postgresql.Insert:
    renewed = [name for name in PageRow.model_fields if name not in _FIXED]
    key = ["job", "item"]
    if dialect == "postgresql":
        there = postgresql.insert(PageRow)
        return there.on_conflict_do_update(
            index_elements=key, set_={name: there.excluded[name] for name in renewed}
        )
    here = sqlite.insert(PageRow)
    return here.on_conflict_do_update(
        index_elements=key, set_={name: here.excluded[name] for name in renewed}
    )


def _values(page: StoredPage) -> dict[str, object]:
    plainly = {name: plain(value) for name, value in fields_of(page).items()}
    return {
        **plainly,
        "job": _id(page.job),
        "content_type": _id(page.content_type),
        "created": utc(page.created or datetime.now(UTC)),
    }


def _page(row: RowMapping) -> StoredPage:
    return StoredPage(**{**row, "created": row["created"].replace(tzinfo=UTC)})
