"""Flower's pages with ours, on the tests' Redis."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis import Redis
from sqlalchemy import Engine

from limpet import database, schema
from limpet.sealing import Sealer
from limpet.settings import Settings
from proxies import ProxyPool, ProxyRecord, tables
from tests.conftest import Eventually
from tests.pages.site import Site, serving
from tests.redis_server import RedisServer


@pytest.fixture
def settings(redis: Redis, redis_port: int, tmp_path: Path) -> Settings:
    """Settings of an empty session Redis and of a database that is not there yet."""
    return Settings(
        redis_url=SecretStr(f"redis://127.0.0.1:{redis_port}/1"),
        state_dir=tmp_path,
        health_timeout_seconds=5,
    )


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    """Flower's pages with ours, in this process."""
    with serving(settings) as found:
        yield found


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    schema.upgrade(settings)
    made = database.engine(settings.sql_url)
    yield made
    made.dispose()


@pytest.fixture
def stocked(
    engine: Engine, pool: ProxyPool, records: list[ProxyRecord]
) -> list[ProxyRecord]:
    """The pool's five proxies, on record too."""
    tables.save(engine, Sealer(()), "default", records)
    return records


@pytest.fixture
def store_server(
    tmp_path: Path, free_port: Callable[[], int], eventually: Eventually
) -> Iterator[RedisServer]:
    """A Redis that a test may stop."""
    server = RedisServer(free_port(), tmp_path / "store")
    try:
        eventually(server.answers)
        yield server
    finally:
        server.close()
