"""What is known of each proxy; its credentials are in one column, the URL.

The URL is written plain here: `proxies.tables.reseal` seals what is there.
"""

from typing import Any
from urllib.parse import quote, unquote, urlsplit

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NAMES = ("pool", "id", "scheme", "host", "port", "username", "password", "url")
_PROXIES = sa.table("proxies", *(sa.column(name, sa.String) for name in _NAMES))
_ONE = sa.and_(
    _PROXIES.c.pool == sa.bindparam("of_pool"), _PROXIES.c.id == sa.bindparam("of_id")
)


def _text(name: str, length: int | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False, server_default="")


def _has(
    name: str, kind: sa.types.TypeEngine[Any], value: str | sa.ColumnElement[bool]
) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, server_default=value)


def upgrade() -> None:
    with op.batch_alter_table("proxies") as table:
        table.add_column(_text("url"))
        table.add_column(_text("country", 2))
        table.add_column(_text("region", 64))
        table.add_column(_text("city", 64))
        table.add_column(sa.Column("asn", sa.BigInteger))
        table.add_column(_has("tags", sa.String(), "[]"))
        table.add_column(_has("weight", sa.Float(), "1"))
        table.add_column(_has("max_concurrency", sa.Integer(), "0"))
        table.add_column(_text("provider", 64))
        table.add_column(_has("enabled", sa.Boolean(), sa.true()))
        table.add_column(sa.Column("expires", sa.DateTime))
    old = op.get_bind().execute(sa.select(_PROXIES)).all()
    change = sa.update(_PROXIES).where(_ONE).values(url=sa.bindparam("new"))
    for row in old:
        new = {"of_pool": row.pool, "of_id": row.id, "new": _url(row)}
        op.get_bind().execute(change, new)
    with op.batch_alter_table("proxies") as table:
        table.drop_column("username")
        table.drop_column("password")


def _url(row: sa.Row[tuple[str, ...]]) -> str:
    host = f"[{row.host}]" if ":" in row.host else row.host
    place = f"{host}:{row.port}"
    if not row.username and not row.password:
        return f"{row.scheme}://{place}"
    user, password = quote(row.username, safe=""), quote(row.password, safe="")
    return f"{row.scheme}://{user}:{password}@{place}"


def downgrade() -> None:
    found = (
        op.get_bind()
        .execute(sa.select(_PROXIES.c.pool, _PROXIES.c.id, _PROXIES.c.url))
        .all()
    )
    if any(row.url.startswith("sealed:") for row in found):
        raise RuntimeError("sealed URLs cannot go back: export, go back, import again")
    with op.batch_alter_table("proxies") as table:
        table.add_column(_text("username"))
        table.add_column(_text("password"))
    change = sa.update(_PROXIES).where(_ONE)
    change = change.values(username=sa.bindparam("user"), password=sa.bindparam("new"))
    for row in found:
        split = urlsplit(row.url)
        user, new = unquote(split.username or ""), unquote(split.password or "")
        old = {"of_pool": row.pool, "of_id": row.id, "user": user, "new": new}
        op.get_bind().execute(change, old)
    with op.batch_alter_table("proxies") as table:
        for name in ("url", "country", "region", "city", "asn", "tags", "weight"):
            table.drop_column(name)
        for name in ("max_concurrency", "provider", "enabled", "expires"):
            table.drop_column(name)
