"""Jobs that will never succeed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.String(255), primary_key=True),
        sa.Column("task", sa.String(255), nullable=False, index=True),
        sa.Column("queue", sa.String(255), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False, index=True),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False, index=True),
    )


def downgrade() -> None:
    op.drop_table("dead_letters")
