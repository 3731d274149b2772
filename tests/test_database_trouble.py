"""What is wrong with a database is told in words, and not in its own."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from limpet import database
from limpet.errors import StoreUnavailable


def _ask(url: str) -> str:
    with (
        pytest.raises(StoreUnavailable) as told,
        database.answering(),
        database.engine(url).begin() as connection,
    ):
        connection.execute(text("CREATE TABLE more (n INTEGER)"))
    return told.value.reason


def test_a_postgres_that_is_not_there_cannot_be_connected_to(
    free_port: Callable[[], int],
) -> None:
    url = f"postgresql+psycopg://me:S3cret@127.0.0.1:{free_port()}/x"

    found = _ask(url)

    assert found == "cannot connect to the database (LIMPET_DATABASE_URL)"
    assert database.trouble(url, wanted="1") == found


def test_an_sqlite_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    folder, file = tmp_path / "none" / "limpet.db", tmp_path / "limpet.db"
    sqlite3.connect(file).close()

    assert _ask(f"sqlite:///{folder}") == "the database cannot be opened"
    assert _ask(f"sqlite:///file:{file}?mode=ro&uri=true") == (
        "the database may not be written to"
    )
