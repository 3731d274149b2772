"""The SQL database: a file in the state folder, or ``LIMPET_DATABASE_URL``."""

from functools import cache

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError

from limpet.errors import ConfigurationError


@cache
def engine(url: str) -> Engine:
    """Return this process's engine for *url*; SQLite gets WAL, so readers never wait.

    Raises:
        ConfigurationError: the URL is none that SQLAlchemy knows.
    """
    try:
        parsed = make_url(url)
        made = create_engine(parsed, pool_pre_ping=True)
    except (ArgumentError, ModuleNotFoundError) as error:
        reason = type(error).__name__
        raise ConfigurationError(
            f"LIMPET_DATABASE_URL: not a database that can be opened ({reason})"
        ) from None
    if parsed.drivername == "sqlite":
        event.listen(made, "connect", _tune_sqlite)
    return made


def _tune_sqlite(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()
