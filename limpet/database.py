"""The SQL database: a file in the state folder, or ``LIMPET_DATABASE_URL``."""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event, func, make_url, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from limpet.errors import ConfigurationError, StoreUnavailable

#: Names the lock of an upgrade among PostgreSQL's advisory locks: "limpet" in ASCII.
_LOCK: Final = int.from_bytes(b"limpet")
#: What SQLite's codes of errors mean: https://www.sqlite.org/rescode.html.
_SQLITE: Final = {
    sqlite3.SQLITE_BUSY: "the database is locked by another program",
    sqlite3.SQLITE_READONLY: "the database may not be written to",
    sqlite3.SQLITE_IOERR: "the disk of the database does not work",
    sqlite3.SQLITE_FULL: "the disk of the database is full",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened",
}
#: The class of PostgreSQL's codes for connections that fail; 57P is a server that stops
#: or starts: https://www.postgresql.org/docs/current/errcodes-appendix.html.
_NO_CONNECTION: Final = "08"


@cache
def engine(url: str) -> Engine:
    """Return this process's engine for *url*; SQLite gets WAL, so readers never wait.

    No statement waits for a frozen server for longer than `limpet.postgres.ANSWER`.

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
    if made.dialect.name == "postgresql":
        event.listen(made, "do_connect", _dial)
    return made


def version(made: Engine) -> str | None:
    """Return which version the tables have, `None` when there are none to be read."""
    with suppress(SQLAlchemyError), made.connect() as connection:
        query = text("SELECT version_num FROM alembic_version")
        found: str | None = connection.execute(query).scalar()
        return found
    return None


def trouble(url: str, *, wanted: str) -> str:
    """Return what keeps the tables from being used, "" if nothing does.

    Makes no file and changes nothing. *wanted* is the version that they should have.
    """
    made = engine(url)
    file = made.url.database
    local = made.dialect.name == "sqlite" and file and not file.startswith(":")
    if local and not Path(str(file)).exists():
        return "there is no database yet"
    try:
        with made.connect() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        return _reason(error).partition(";")[0]
    found = version(made)
    if found is None:
        return "there are no tables yet"
    return "" if found == wanted else f"the tables have version {found}, not {wanted}"


@contextmanager
def alone(there: Engine) -> Iterator[None]:
    """Let one process at a time change the tables; the lock goes with its holder.

    Raises:
        ConfigurationError: there cannot be a lock file beside the database.
    """
    if there.dialect.name == "postgresql":
        from limpet.postgres import patient  # noqa: PLC0415 - an extra

        # Ends with its transaction: a lock of the session would stay behind a pooler.
        with patient(), there.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            yield
        return
    file = there.url.database
    if there.dialect.name != "sqlite" or not file or file.startswith((":", "file:")):
        yield  # in memory: nobody else sees it
        return
    # Beside the database: SQLite's own lock is let go between two migrations.
    beside = Path(f"{file}.lock")
    try:
        beside.touch(mode=0o600)
        lock = beside.open("w")
    except OSError as error:
        raise ConfigurationError(
            f"LIMPET_DATABASE_URL: cannot open the database ({error.strerror})"
        ) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def answering() -> Iterator[None]:
    """Turn what SQL raises into one error of ours.

    Raises:
        StoreUnavailable: the database did not answer, or has no tables yet.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreUnavailable(_reason(error)) from None


def _reason(error: SQLAlchemyError) -> str:
    """Say what is wrong; not in the database's words, in which a secret may be."""
    cause = getattr(error, "orig", None)
    if type(cause).__name__ in {"NoAnswer", "ConnectionTimeout"}:
        return "no answer from the database in time"
    if isinstance(cause, sqlite3.Error):
        # The last byte is the kind, what is before it a closer description.
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code in _SQLITE:
            return _SQLITE[code]
    elif any(one.__name__ == "OperationalError" for one in type(cause).__mro__):
        state = getattr(cause, "sqlstate", None) or _NO_CONNECTION
        if state.startswith((_NO_CONNECTION, "57P")):
            return "cannot connect to the database (LIMPET_DATABASE_URL)"
    return f"{type(error).__name__} from the database; has it been migrated?"


def _dial(
    _dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]
) -> Any:
    from limpet.postgres import DIAL, BoundedConnection  # noqa: PLC0415 - an extra

    return BoundedConnection.connect(*arguments, **{"connect_timeout": DIAL, **options})


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
    cursor.execute("PRAGMA busy_timeout=5000")
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        # SQLite does not wait here. Another process is at it, and the file keeps it.
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
    # A password that was sealed or removed leaves the file too.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()
