"""The SQL database: a file in the state folder, or ``LIMPET_DATABASE_URL``."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from limpet.errors import ConfigurationError, StoreUnavailable


@cache
def engine(url: str) -> Engine:
    """Return this process's engine for *url*; SQLite gets WAL, so readers never wait.

    Raises:
        ConfigurationError: the URL is none that SQLAlchemy knows.
    """
    try:
        parsed = make_url(url)
        # Parameters are URLs with passwords: never in an error's text or in a log.
        made = create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
    except (ArgumentError, ModuleNotFoundError) as error:
        reason = type(error).__name__
        raise ConfigurationError(
            f"LIMPET_DATABASE_URL: not a database that can be opened ({reason})"
        ) from None
    if parsed.drivername == "sqlite":
        event.listen(made, "do_connect", _make_private)
        event.listen(made, "connect", _tune_sqlite)
    return made


@contextmanager
def answering() -> Iterator[None]:
    """Turn what SQL raises into one error of ours.

    Raises:
        StoreUnavailable: the database did not answer, or has no tables yet.
    """
    try:
        yield
    except SQLAlchemyError as error:
        reason = f"{type(error).__name__} from the database; has it been migrated?"
        raise StoreUnavailable(reason) from None


def _make_private(
    _dialect: object, _record: object, arguments: list[str], _options: object
) -> None:
    """Have a new file readable by its owner alone, in whatever folder it is."""
    file = arguments[0]
    if not file.startswith((":", "file:")):
        # What is wrong with the place, SQLite says.
        with suppress(OSError):
            Path(file).touch(mode=0o600)


def _tune_sqlite(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA busy_timeout=5000")
    # A password that was sealed or removed leaves the file too.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()
