"""Processes that start together on a new database: one makes the tables."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from limpet import database, schema
from limpet.errors import ConfigurationError
from limpet.settings import Settings

PROCESSES = 4


def _upgrade(url: str, folder: Path) -> str | None:
    """Upgrade as a process of its own does; return the version that is there then."""
    config = Settings(state_dir=folder, database_url=SecretStr(url))
    schema.upgrade(config)
    return database.version(database.engine(url))


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    # Forked, engines with open connections would be shared.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as made:
        yield made


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_processes_that_start_together_all_find_the_tables(
    kind: str,
    processes: ProcessPoolExecutor,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    for n in range(3):
        url = f"sqlite:///{tmp_path}/{n}.db"
        if kind == "postgres":
            url = _new_database(request.getfixturevalue("postgres"), f"race{n}")

        jobs = [processes.submit(_upgrade, url, tmp_path) for _ in range(PROCESSES)]

        assert [job.result(60) for job in jobs] == [schema.newest()] * PROCESSES


def _new_database(url: str, name: str) -> str:
    with database.engine(url).connect() as connection:
        alone = connection.execution_options(isolation_level="AUTOCOMMIT")
        alone.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        alone.execute(text(f"CREATE DATABASE {name}"))
    return url.rpartition("/")[0] + f"/{name}"


def test_a_place_without_room_for_the_lock_is_named(tmp_path: Path) -> None:
    nowhere = SecretStr(f"sqlite:///{tmp_path}/none/x.db")

    with pytest.raises(ConfigurationError, match="LIMPET_DATABASE_URL: cannot open"):
        schema.upgrade(Settings(state_dir=tmp_path, database_url=nowhere))


def test_a_database_in_memory_needs_no_lock(tmp_path: Path) -> None:
    config = Settings(state_dir=tmp_path, database_url=SecretStr("sqlite://"))

    schema.upgrade(config)

    assert database.version(database.engine("sqlite://")) == schema.newest()
    assert list(tmp_path.iterdir()) == []
