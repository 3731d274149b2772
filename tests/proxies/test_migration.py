"""An inventory from before keeps its proxies."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from limpet import database, schema
from limpet.sealing import Sealer
from limpet.settings import ROOT, Settings
from proxies import Proxy, tables

PROXIES = [
    Proxy("http", "10.0.0.1", 80),
    Proxy("http", "10.0.0.2", 80, "me"),
    Proxy("https", "10.0.0.3", 443, "", "pw"),
    Proxy("socks5h", "2001:db8::1", 1080, "m@e:/", "p:@/#% w"),
]


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path)


@pytest.fixture
def engine(config: Settings) -> Engine:
    """An inventory of the first version with four proxies in it."""
    config.make_state_dir()
    engine = database.engine(config.sql_url)
    command.upgrade(_alembic(engine), "0001")
    insert = text(
        "INSERT INTO proxies VALUES ('eu', :id, :scheme, :host, :port, :username,"
        " :password, '2026-01-02 03:04:05.000006')"
    )
    with engine.begin() as connection:
        for one in PROXIES:
            names = ("id", "scheme", "host", "port", "username", "password")
            connection.execute(insert, {name: getattr(one, name) for name in names})
    return engine


def _alembic(engine: Engine) -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["engine"] = engine
    return config


def test_an_upgrade_keeps_every_proxy_and_its_password(
    config: Settings, engine: Engine
) -> None:
    schema.upgrade(config)

    records = tables.load(engine, Sealer(), "eu")
    assert [record.proxy for record in records] == PROXIES
    assert [record.proxy.password for record in records] == ["", "", "pw", "p:@/#% w"]
    assert all(record.enabled and record.weight == 1 for record in records)
    assert {name["name"] for name in inspect(engine).get_columns("proxies")} == set(
        tables.ProxyRow.model_fields
    )


def test_an_upgraded_inventory_takes_new_proxies(
    config: Settings, engine: Engine
) -> None:
    schema.upgrade(config)
    known = tables.load(engine, Sealer(), "eu")

    assert tables.save(engine, Sealer(), "eu", known) == 0
    assert tables.save(engine, Sealer(), "us", known) == 4


def test_the_way_back_keeps_them_too(config: Settings, engine: Engine) -> None:
    schema.upgrade(config)

    command.downgrade(_alembic(engine), "0001")
    schema.upgrade(config)

    records = tables.load(engine, Sealer(), "eu")
    assert [record.proxy.url for record in records] == [one.url for one in PROXIES]


def test_the_newest_version_is_told_without_alembic(
    config: Settings, engine: Engine
) -> None:
    assert database.version(engine) == "0001"

    schema.upgrade(config)

    head = ScriptDirectory(str(ROOT / "migrations")).get_current_head()
    assert database.version(engine) == schema.newest() == head


def test_a_database_without_tables_has_no_version(tmp_path: Path) -> None:
    assert database.version(database.engine(f"sqlite:///{tmp_path}/new.db")) is None
