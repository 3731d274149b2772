"""The inventory of record: which proxies exist. Redis only holds a copy of it."""

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlmodel import Field, Session, SQLModel, select

from proxies.proxy import Proxy


class ProxyRow(SQLModel, table=True):
    """One proxy of one pool; *password* is stored as it is."""

    __tablename__ = "proxies"

    pool: str = Field(primary_key=True, max_length=32)
    id: str = Field(primary_key=True, max_length=10)
    scheme: str = Field(max_length=8)
    host: str = Field(max_length=255)
    port: int
    username: str
    password: str
    added_at: datetime

    def proxy(self) -> Proxy:
        return Proxy(self.scheme, self.host, self.port, self.username, self.password)


def save(engine: Engine, pool: str, proxies: Iterable[Proxy]) -> int:
    """Add *proxies* to *pool*, or renew their passwords; return how many were new."""
    new = 0
    with Session(engine) as session, session.begin():
        known = set(session.exec(select(ProxyRow.id).where(ProxyRow.pool == pool)))
        for proxy in proxies:
            new += proxy.id not in known
            session.merge(
                ProxyRow(
                    pool=pool,
                    id=proxy.id,
                    scheme=proxy.scheme,
                    host=proxy.host,
                    port=proxy.port,
                    username=proxy.username,
                    password=proxy.password,
                    added_at=datetime.now(UTC),
                )
            )
    return new


def load(engine: Engine, pool: str) -> list[Proxy]:
    """Every proxy of *pool*, in the order of their addresses."""
    query = select(ProxyRow).where(ProxyRow.pool == pool)
    query = query.order_by(ProxyRow.host, ProxyRow.port)  # type: ignore[arg-type] # columns
    with Session(engine) as session:
        return [row.proxy() for row in session.exec(query)]
