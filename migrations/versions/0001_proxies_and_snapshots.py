"""The inventory of proxies, and the history of the pools."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "proxies",
        sa.Column("pool", sa.String(32), primary_key=True),
        sa.Column("id", sa.String(10), primary_key=True),
        sa.Column("scheme", sa.String(8), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("username", sa.String, nullable=False),
        sa.Column("password", sa.String, nullable=False),
        sa.Column("added_at", sa.DateTime, nullable=False),
    )
    counts = ("sessions", "expired_waiting", "leases", "proxies_up", "proxies_cooling")
    totals = ("acquired_total", "created_total", "failovers_total", "faults_total")
    op.create_table(
        "pool_snapshots",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("pool", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in counts),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in totals),
    )
    op.create_index("ix_pool_snapshots_pool", "pool_snapshots", ["pool"])
    op.create_index("ix_pool_snapshots_at", "pool_snapshots", ["at"])


def downgrade() -> None:
    op.drop_table("pool_snapshots")
    op.drop_table("proxies")
