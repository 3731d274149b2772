"""What commands are made of: how they are registered, how they fail, their options.

The modules of commands import at their top only what is light, and the rest in the
functions: SQL and Redis take longer to import than ``--help`` may take.
"""

import errno
import re
import sys
from collections.abc import Callable
from functools import wraps
from inspect import getdoc
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from rich.markup import escape
from typer.core import TyperCommand

from cli.output import NotWritten, drop, err
from limpet.errors import ConfigurationError, LimpetError, StoreUnavailable
from limpet.keys import POOL_NAME

#: The code of a command that Ctrl-C has ended, as shells have it.
INTERRUPTED: Final = 130

#: What a file that is open already fails with when it takes no more.
_FULL: Final = {errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC}

if TYPE_CHECKING:
    from sqlalchemy.exc import OperationalError

    from cli.pool import Pool


def group(text: str) -> typer.Typer:
    """Return a group of commands that *text* describes."""
    return typer.Typer(
        help=text,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode="rich",
    )


def register(app: typer.Typer, **commands: Callable[..., None]) -> None:
    """Add *commands* by name; the errors they expect are one line and code 1 each."""
    for name, function in commands.items():
        app.command(name.strip("_"), cls=_Command)(_guarded(function))


class _Command(TyperCommand):
    """One that says in plain words what is wrong with its options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            # How pydantic, which reads the values, begins what a check has said.
            error.message = error.message.removeprefix("Value error, ")
            ids = ("argument", "ID")
            kinds = [(one.param_type_name, one.metavar) for one in self.params]
            if ids in kinds and hasattr(error, "possibilities"):  # no such option
                error.message += (
                    f". An ID that begins with - goes last, after --: {self.name} -- -x"
                )
            raise


def _guarded(function: Callable[..., None]) -> Callable[..., None]:
    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except ConfigurationError as error:
            fail(*error.args)
        except StoreUnavailable as error:
            fail(error, *_hints(error))
        except LimpetError as error:
            fail(error)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if reason := _explained(error):
                fail(reason)
            raise

    # Typer keeps the line breaks of a docstring, which are for 88 columns.
    paragraphs = (getdoc(function) or "").split("\n\n")
    guarded.__doc__ = "\n\n".join(" ".join(p.split("\n")) for p in paragraphs)
    return guarded


def _hints(error: StoreUnavailable) -> list[str]:
    """Say what to look at: the server, or what we are told of it."""
    if "password" in error.reason:
        return ["see LIMPET_REDIS_URL, and CELERY_BROKER_URL for jobs"]
    away = re.search("cannot reach|no answer|is down", error.reason)
    return ["is `make up` running?"] if away else []


def _explained(error: Exception) -> str:
    if isinstance(error, NotWritten):
        return f"standard output: {error}"
    if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
        drop(sys.stdout)
        return f"standard output: cannot be written ({error.strerror})"
    from alembic.util.exc import CommandError
    from redis.exceptions import RedisError
    from sqlalchemy.exc import OperationalError

    if isinstance(error, OperationalError):
        return f"LIMPET_DATABASE_URL: {_refused(error)}"
    reasons = {
        RedisError: "the broker went away: is `make up` still running?",
        CommandError: "LIMPET_DATABASE_URL: the tables are of another Limpet version",
    }
    found = (text for kind, text in reasons.items() if isinstance(error, kind))
    return next(found, "")


def _refused(error: "OperationalError") -> str:
    """Say what a database would not do; its own words may hold values."""
    name = getattr(error.orig, "sqlite_errorname", type(error.orig).__name__)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "another program keeps the database locked; try again"
    # Without a statement it failed while it was connecting.
    if error.statement is None:
        return f"cannot open the database ({name})"
    return f"the database could not do what it was asked ({name})"


def complain(*lines: object) -> None:
    for line in lines:
        err.print(f"[red]limpet:[/] {escape(str(line))}", soft_wrap=True)


def fail(*lines: object) -> NoReturn:
    """End the command: it could not do what it was asked."""
    complain(*lines)
    raise typer.Exit(1)


def misuse(line: str) -> NoReturn:
    """End the command: it was asked in a way that cannot be."""
    complain(line)
    raise typer.Exit(2)


def opened(name: str) -> "Pool":
    """Return the pool *name*; nothing is asked of SQL or Redis yet."""
    from cli.pool import Pool
    from limpet.settings import settings

    return Pool(name, settings())


def _pool_name(name: str) -> str:
    if not re.fullmatch(POOL_NAME, name):
        misuse(
            "--pool: must be 1 to 32 of a-z, 0-9, _ and -, and begin with a letter or "
            "a digit"
        )
    return name


def checked_pool(name: str | None) -> str | None:
    """Return the pool that was named, if one was; end the command if none can be so."""
    return None if name is None else _pool_name(name)


PoolName = Annotated[
    str, typer.Option("--pool", help="Pool.", metavar="NAME", callback=_pool_name)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
#: The largest number that is taken: every database has larger ones.
MOST: Final = 1_000_000_000

Limit = Annotated[
    int | None,
    typer.Option(
        help="Show so many, 0 for all.",
        show_default="50, with --json all",
        metavar="N",
        min=0,
        max=MOST,
    ),
]
