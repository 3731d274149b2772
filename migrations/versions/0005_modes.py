"""What commands asked of proxies: draining, evacuating."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.batch_alter_table("proxies") as table:
        table.add_column(
            sa.Column("mode", sa.String(10), nullable=False, server_default="")
        )


def downgrade() -> None:
    with op.batch_alter_table("proxies") as table:
        table.drop_column("mode")
