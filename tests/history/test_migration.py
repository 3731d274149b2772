"""A history from before is kept."""

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, inspect, text

from history import tables
from history.tables import figures
from limpet import database, schema
from limpet.settings import ROOT, Settings
from tests.history.conftest import Rows

OLD = (
    "INSERT INTO pool_snapshots (pool, at, sessions, expired_waiting, leases, "
    "proxies_up, proxies_cooling, acquired_total, created_total, failovers_total, "
    "faults_total) VALUES ('shop', '2026-01-02 03:04:0{n}.5', 7, 2, 1, 5, 3, "
    "9000000000, {n}, 2, 4)"
)


@pytest.fixture
def old(config: Settings) -> Engine:
    """A database of the version before, with three snapshots in it."""
    config.make_state_dir()
    made = database.engine(config.sql_url)
    schema.upgrade(config)
    command.downgrade(_alembic(made), "0005")
    with made.begin() as connection:
        connection.execute(text("DELETE FROM pool_snapshots"))
        for n in range(3):
            connection.execute(text(OLD.format(n=n)))
    return made


@pytest.fixture
def engine(old: Engine) -> Engine:
    return old


def _alembic(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["engine"] = engine
    return config


def test_snapshots_from_before_are_kept_with_their_totals(
    config: Settings, old: Engine
) -> None:
    schema.upgrade(config)

    found = figures.snapshots(old, "shop", since_ms=0, until_ms=10**13)
    assert [one.totals.created for one in found] == [0, 1, 2]
    assert [one.at_ms for one in found] == [1767323040500 + n * 1000 for n in range(3)]
    assert {(one.active, one.expired_waiting, one.leased) for one in found} == {
        (5, 2, 1)
    }
    assert {one.totals.requests for one in found} == {9_000_000_000}


def test_the_tables_are_those_of_the_models(config: Settings, old: Engine) -> None:
    schema.upgrade(config)

    there = inspect(old)
    for name in tables.__all__:
        model = getattr(tables, name).__table__
        columns = there.get_columns(model.name)
        assert {one["name"] for one in columns} == set(model.columns.keys())
        nullable = {one["name"] for one in columns if one["nullable"]}
        assert nullable == {one.name for one in model.columns if one.nullable}
        key = there.get_pk_constraint(model.name)["constrained_columns"]
        assert set(key) == {one.name for one in model.primary_key}


def test_the_way_back_keeps_them_too(config: Settings, old: Engine, rows: Rows) -> None:
    query = (
        "SELECT pool, sessions, leases, acquired_total, created_total "
        "FROM pool_snapshots ORDER BY at"
    )
    before = rows(query)

    schema.upgrade(config)
    command.downgrade(_alembic(old), "0005")

    assert rows(query) == before
    schema.upgrade(config)
