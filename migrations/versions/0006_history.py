"""History: snapshots whole, hourly sums, audit events, ended sessions, checkpoints."""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

#: Rows of the old snapshots that are copied at a time.
_STEP = 500
_TOTALS = {
    "requests": "acquired_total",
    "created": "created_total",
    "failovers": "failovers_total",
    "faults": "faults_total",
}


def upgrade() -> None:
    _upgrade_snapshots()
    op.create_table(
        "system_snapshots",
        sa.Column("ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("memory_bytes", sa.BigInteger, nullable=False),
        sa.Column("memory_limit_bytes", sa.BigInteger, nullable=False),
        sa.Column("queues", sa.JSON, nullable=False),
        sa.Column("cleanup_runs", sa.BigInteger, nullable=False),
        sa.Column("cleanup_failures", sa.BigInteger, nullable=False),
        sa.Column("cleanup_failure_rate", sa.Float, nullable=False),
        sa.Column("cleanup_last_ok", sa.DateTime),
        sa.Column("cleanup_last_removed", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_system_snapshots_at", "system_snapshots", ["at"])
    op.create_table(
        "pool_hours",
        sa.Column("pool", sa.String(32), primary_key=True),
        sa.Column("at", sa.DateTime, primary_key=True),
        sa.Column("samples", sa.Integer, nullable=False),
        sa.Column("active", sa.Float, nullable=False),
        sa.Column("active_max", sa.Integer, nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("requests", "created", "ended", "failovers")
        ),
        sa.Column("response_mean_ms", sa.Float, nullable=False),
        sa.Column("response_p95_ms", sa.Float, nullable=False),
        sa.Column("point", sa.JSON, nullable=False),
    )
    op.create_index("ix_pool_hours_at", "pool_hours", ["at"])
    op.create_table(
        "history_cursors",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("position", sa.String(64), nullable=False),
    )
    op.create_table(
        "audit_events",
        *_entry_key(),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("session", sa.String(128)),
        sa.Column("proxy", sa.String(10)),
        sa.Column("details", sa.JSON, nullable=False),
    )
    op.create_index("ix_audit_events_at", "audit_events", ["at"])
    op.create_index("ix_audit_events_session", "audit_events", ["pool", "session"])
    op.create_table(
        "closed_sessions",
        *_entry_key(),
        sa.Column("session", sa.String(128), nullable=False),
        sa.Column("proxy", sa.String(10), nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
        sa.Column("closed", sa.DateTime, nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("failovers", sa.Integer, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_closed_sessions_closed", "closed_sessions", ["closed"])
    op.create_index(
        "ix_closed_sessions_session", "closed_sessions", ["pool", "session"]
    )
    op.create_table(
        "session_checkpoints",
        sa.Column("pool", sa.String(32), primary_key=True),
        sa.Column("session", sa.String(128), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("proxy", sa.String(10), nullable=False),
        sa.Column("created", sa.DateTime, nullable=False),
        sa.Column("expires", sa.DateTime, nullable=False),
        sa.Column("fields", sa.JSON, nullable=False),
        sa.Column("mark", sa.String(32), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("written", sa.DateTime, nullable=False),
    )
    op.create_index(
        "ix_session_checkpoints_expires", "session_checkpoints", ["expires"]
    )


def downgrade() -> None:
    for name in (
        *("session_checkpoints", "closed_sessions", "audit_events"),
        *("history_cursors", "pool_hours", "system_snapshots"),
    ):
        op.drop_table(name)
    _downgrade_snapshots()


def _entry_key() -> list[sa.Column[Any]]:
    return [
        sa.Column("pool", sa.String(32), primary_key=True),
        sa.Column("ms", sa.BigInteger, primary_key=True, autoincrement=False),
        *(
            sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)
            for name in ("seq", "item")
        ),
    ]


def _upgrade_snapshots() -> None:
    counts = (
        *("active", "expired_waiting", "leased", "warm", "proxies_up"),
        *("proxies_cooling", "looked_at", "sessions_min", "sessions_max"),
    )
    rates = (
        *("sessions_mean", "sessions_skew", "seconds", "failover_rate"),
        *("response_mean_ms", "response_p50_ms", "response_p95_ms", "response_p99_ms"),
        "lifetime_mean_s",
    )
    done = ("created", "ended", "requests", "failovers")
    made = op.create_table(
        "new_pool_snapshots",
        sa.Column("pool", sa.String(32), primary_key=True),
        sa.Column("ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in (*counts, *done)),
        *(sa.Column(name, sa.Float, nullable=False) for name in rates),
        sa.Column("proxies", sa.JSON, nullable=False),
        sa.Column("totals", sa.JSON, nullable=False),
    )
    zeros = dict.fromkeys((*counts, *done, *rates), 0)
    _copy(
        "SELECT * FROM pool_snapshots WHERE id > :last ORDER BY id LIMIT :step",
        made,
        lambda old: {
            **zeros,
            "pool": old["pool"],
            # Two of one moment, if there were any, are told apart by their ids.
            "ms": _ms(old["at"]),
            "seq": old["id"],
            "at": _at(old["at"]),
            "active": old["sessions"] - old["expired_waiting"],
            "expired_waiting": old["expired_waiting"],
            "leased": old["leases"],
            "proxies_up": old["proxies_up"],
            "proxies_cooling": old["proxies_cooling"],
            "proxies": {},
            "totals": {new: old[was] for new, was in _TOTALS.items()},
        },
    )
    op.drop_table("pool_snapshots")
    op.rename_table("new_pool_snapshots", "pool_snapshots")
    op.create_index("ix_pool_snapshots_at", "pool_snapshots", ["at"])


def _downgrade_snapshots() -> None:
    names = ("sessions", "expired_waiting", "leases", "proxies_up", "proxies_cooling")
    made = op.create_table(
        "old_pool_snapshots",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("pool", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in names),
        *(sa.Column(was, sa.BigInteger, nullable=False) for was in _TOTALS.values()),
    )
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT * FROM pool_snapshots")).mappings()
    for row in rows.all():
        totals = row["totals"]
        found = json.loads(totals) if isinstance(totals, str) else totals
        values = {
            "pool": row["pool"],
            "at": _at(row["at"]),
            "sessions": row["active"] + row["expired_waiting"],
            "expired_waiting": row["expired_waiting"],
            "leases": row["leased"],
            "proxies_up": row["proxies_up"],
            "proxies_cooling": row["proxies_cooling"],
            **{was: found.get(new, 0) for new, was in _TOTALS.items()},
        }
        connection.execute(made.insert().values(values))
    op.drop_table("pool_snapshots")
    op.rename_table("old_pool_snapshots", "pool_snapshots")
    op.create_index("ix_pool_snapshots_pool", "pool_snapshots", ["pool"])
    op.create_index("ix_pool_snapshots_at", "pool_snapshots", ["at"])


def _copy(query: str, into: sa.Table, row_of: Any) -> None:
    connection, last = op.get_bind(), -1
    while True:
        given = {"last": last, "step": _STEP}
        found = connection.execute(sa.text(query), given).mappings().all()
        if not found:
            return
        connection.execute(into.insert(), [row_of(one) for one in found])
        last = found[-1]["id"]


def _at(value: Any) -> datetime:
    """Plain SQL gives SQLite's times as it keeps them: as text."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _ms(value: Any) -> int:
    return round(_at(value).replace(tzinfo=UTC).timestamp() * 1000)
