"""Durable results of jobs, a row a page."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "pages",
        sa.Column("job", sa.String(255), primary_key=True),
        sa.Column("item", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("pool", sa.String(32), nullable=False),
        sa.Column("session", sa.String(128)),
        sa.Column("proxy", sa.String(10), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("content_type", sa.String(255), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("elapsed", sa.Float, nullable=False),
        sa.Column("data", sa.JSON),
        sa.Column("artifact", sa.String(64)),
        sa.Column("error", sa.Text),
        sa.Column("created", sa.DateTime, nullable=False),
    )
    op.create_index("ix_pages_created", "pages", ["created"])
    op.create_index("ix_pages_artifact", "pages", ["artifact"])
    op.create_index("ix_pages_session", "pages", ["pool", "session"])


def downgrade() -> None:
    op.drop_table("pages")
