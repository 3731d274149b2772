"""The inventory of record: which proxies exist. Redis only holds a copy of it.

What is secret is in one column, *url*, sealed when ``LIMPET_STATE_KEYS`` is set: the
user name too, since providers put an account and a session into it.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

from sqlalchemy import (
    BigInteger,
    DateTime,
    Engine,
    bindparam,
    case,
    delete,
    func,
    or_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, Session, SQLModel, col, select

from limpet.sealing import Sealer
from proxies.fields import ABOUT
from proxies.proxy import parse_proxy
from proxies.record import TEXT_MAX, ProxyRecord

#: Rows written, or ids named, in one statement: SQLite takes 999 values at least.
_CHUNK: Final = 500
_Item = TypeVar("_Item")


class ProxyRow(SQLModel, table=True):
    """One proxy of one pool; times are UTC without saying so, as SQLite keeps them."""

    __tablename__ = "proxies"

    pool: str = Field(primary_key=True, max_length=32)
    id: str = Field(primary_key=True, max_length=10)
    scheme: str = Field(max_length=8)
    host: str = Field(max_length=255)
    port: int
    url: str
    country: str = Field(max_length=2)
    region: str = Field(max_length=TEXT_MAX)
    city: str = Field(max_length=TEXT_MAX)
    asn: int | None = Field(sa_type=BigInteger)
    tags: str
    weight: float
    max_concurrency: int
    provider: str = Field(max_length=TEXT_MAX)
    enabled: bool
    expires: datetime | None = Field(sa_type=DateTime)
    added_at: datetime = Field(sa_type=DateTime)
    mode: str = Field(max_length=10)


def save(
    engine: Engine,
    sealer: Sealer,
    pool: str,
    records: Sequence[ProxyRecord],
    *,
    fields: Collection[str] = ABOUT,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Add *records* to *pool*, all or none of them; return how many were new.

    A proxy that is known keeps its row: its URL is renewed, with it the password, and
    those of its *fields* that are named. *progress* is called with the records done
    and the records there are, after each chunk.
    """
    new = done = 0
    with Session(engine) as session, session.begin():
        upsert = _upsert(engine.dialect.name, ABOUT.intersection(fields))
        for chunk in _chunks(records):
            rows = {record.id: _values(sealer, pool, record) for record in chunk}
            known = select(ProxyRow.id).where(
                ProxyRow.pool == pool, col(ProxyRow.id).in_(rows)
            )
            new += len(rows) - len(session.exec(known).all())
            session.connection().execute(upsert, list(rows.values()))
            done += len(chunk)
            if progress:
                progress(done, len(records))
    return new


def load(engine: Engine, sealer: Sealer, pool: str) -> list[ProxyRecord]:
    """Every proxy of *pool*, in the order of their addresses.

    Raises:
        ConfigurationError: a URL was sealed with a key that is not there.
    """
    query = select(ProxyRow).where(ProxyRow.pool == pool)
    query = query.order_by(col(ProxyRow.host), col(ProxyRow.port), col(ProxyRow.id))
    # Rows are several times as large as what is made of them.
    query = query.execution_options(yield_per=_CHUNK)
    with Session(engine) as session:
        return [_record(sealer, row) for row in session.exec(query)]


def page(
    engine: Engine, sealer: Sealer, pool: str, *, start: int, most: int, search: str
) -> tuple[int, list[ProxyRecord]]:
    """Return how many proxies *pool* has, and some of them by their addresses.

    Of those alone that *search* finds, if it is not empty: it begins an id, is part of
    a host, or is a country or a tag.
    """
    wanted = [col(ProxyRow.pool) == pool]
    if search:
        found = col(ProxyRow.id).startswith(search, autoescape=True)
        found |= col(ProxyRow.host).contains(search, autoescape=True)
        found |= col(ProxyRow.country) == search.upper()
        found |= col(ProxyRow.tags).contains(json.dumps(search), autoescape=True)
        wanted.append(found)
    query = select(ProxyRow).where(*wanted).offset(start).limit(most)
    query = query.order_by(col(ProxyRow.host), col(ProxyRow.port), col(ProxyRow.id))
    count = select(func.count()).select_from(ProxyRow).where(*wanted)
    with Session(engine) as session:
        records = [_record(sealer, row) for row in session.exec(query)]
        return session.exec(count).one(), records


def get(engine: Engine, sealer: Sealer, pool: str, proxy_id: str) -> ProxyRecord | None:
    """Return one proxy of *pool*, `None` when it has none such.

    Raises:
        ConfigurationError: its URL was sealed with a key that is not there.
    """
    with Session(engine) as session:
        row = session.get(ProxyRow, (pool, proxy_id))
        return _record(sealer, row) if row else None


def known(engine: Engine, pool: str, ids: Iterable[str]) -> set[str]:
    """Return those of *ids* that *pool* has."""
    found: set[str] = set()
    with Session(engine) as session:
        for chunk in _chunks(list(ids)):
            there = select(ProxyRow.id).where(
                ProxyRow.pool == pool, col(ProxyRow.id).in_(chunk)
            )
            found.update(session.exec(there))
    return found


def leaving(engine: Engine, pool: str) -> set[str]:
    """Return the ids of the pool's proxies that its sessions are to leave."""
    gone = or_(col(ProxyRow.mode) == "evacuating", col(ProxyRow.enabled).is_(False))
    with Session(engine) as session:
        query = select(ProxyRow.id).where(col(ProxyRow.pool) == pool, gone)
        return set(session.exec(query))


def set_mode(engine: Engine, pool: str, proxy_id: str, mode: str) -> bool:
    """Say what may be done with one proxy; return whether *pool* has it.

    *mode* is empty for everything, ``draining``, ``evacuating`` or ``disabled``. The
    last word counts: one that is told to drain is not disabled any more. Disabled, it
    keeps the mode that it had, in case a file enables it.
    """
    with Session(engine) as session, session.begin():
        row = session.get(ProxyRow, (pool, proxy_id))
        if row is None:
            return False
        row.enabled = mode != "disabled"
        if row.enabled:
            row.mode = mode
        return True


def modes(engine: Engine, pool: str) -> dict[str, int]:
    """Count the proxies of *pool* that may not be chosen as they are told, by mode."""
    what = case(
        (col(ProxyRow.enabled).is_(other=False), "disabled"), else_=ProxyRow.mode
    )
    query = select(what, func.count()).where(ProxyRow.pool == pool).group_by(what)
    with Session(engine) as session:
        return {mode: count for mode, count in session.exec(query) if mode}


def remove(engine: Engine, pool: str, ids: Iterable[str]) -> int:
    """Remove proxies from *pool*; return how many were there."""
    removed = 0
    with Session(engine) as session, session.begin():
        for chunk in _chunks(list(dict.fromkeys(ids))):
            named = delete(ProxyRow).where(
                col(ProxyRow.pool) == pool, col(ProxyRow.id).in_(chunk)
            )
            removed += session.connection().execute(named).rowcount
    return removed


def pools(engine: Engine) -> list[str]:
    """The names of the pools that have a proxy, sorted."""
    query = select(ProxyRow.pool).distinct().order_by(col(ProxyRow.pool))
    with Session(engine) as session:
        return list(session.exec(query))


def reseal(engine: Engine, sealer: Sealer, pool: str) -> int:
    """Seal every URL of *pool* under the first key; return how many there are.

    After that the other keys are not needed for it any more.

    Raises:
        ConfigurationError: a URL was sealed with a key that is not there; then none
            was changed.
    """
    query = select(ProxyRow.id, ProxyRow.url).where(ProxyRow.pool == pool)
    # Only what is still as it was read: an import may renew a password meanwhile, and
    # seals it under the first key itself.
    change = (
        update(ProxyRow)
        .where(col(ProxyRow.pool) == pool, col(ProxyRow.id) == bindparam("known"))
        .where(col(ProxyRow.url) == bindparam("old"))
        .values(url=bindparam("new"))
    )
    with Session(engine) as session, session.begin():
        found = session.exec(query).all()
        for chunk in _chunks(found):
            changes = [
                {"known": known, "old": url, "new": sealer.seal(sealer.open(url))}
                for known, url in chunk
            ]
            session.connection().execute(change, changes)
    return len(found)


def _chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    return (items[n : n + _CHUNK] for n in range(0, len(items), _CHUNK))


def _upsert(dialect: str, fields: Iterable[str]) -> sqlite.Insert | postgresql.Insert:
    renewed = ("url", *fields)
    key = ["pool", "id"]
    if dialect == "postgresql":
        there = postgresql.insert(ProxyRow)
        return there.on_conflict_do_update(
            index_elements=key, set_={name: there.excluded[name] for name in renewed}
        )
    here = sqlite.insert(ProxyRow)
    return here.on_conflict_do_update(
        index_elements=key, set_={name: here.excluded[name] for name in renewed}
    )


def _values(sealer: Sealer, pool: str, record: ProxyRecord) -> dict[str, object]:
    proxy = record.proxy
    return {
        "pool": pool,
        "id": record.id,
        "scheme": proxy.scheme,
        "host": proxy.host,
        "port": proxy.port,
        "url": sealer.seal(proxy.url),
        "country": record.country,
        "region": record.region,
        "city": record.city,
        "asn": record.asn,
        "tags": json.dumps(record.tags),
        "weight": record.weight,
        "max_concurrency": record.max_concurrency,
        "provider": record.provider,
        "enabled": record.enabled,
        "expires": record.expires and _utc(record.expires),
        "added_at": _utc(datetime.now(UTC)),
        "mode": record.mode,
    }


def _utc(moment: datetime) -> datetime:
    # Given a time zone, Postgres would turn it into the server's own.
    return moment.astimezone(UTC).replace(tzinfo=None)


def _record(sealer: Sealer, row: ProxyRow) -> ProxyRecord:
    return ProxyRecord(
        proxy=parse_proxy(sealer.open(row.url)),
        country=row.country,
        region=row.region,
        city=row.city,
        asn=row.asn,
        tags=tuple(json.loads(row.tags)),
        weight=row.weight,
        max_concurrency=row.max_concurrency,
        provider=row.provider,
        enabled=row.enabled,
        expires=row.expires and row.expires.replace(tzinfo=UTC),
        mode=row.mode,
    )
