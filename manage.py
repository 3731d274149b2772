"""Limpet's command line: ``python manage.py --help``."""

import json
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer
from celery import states
from celery.result import AsyncResult
from dotenv import load_dotenv
from pydantic import SecretStr
from redis.exceptions import RedisError
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table
from sqlalchemy.exc import OperationalError as SqlError

from limpet import client, database, schema
from limpet import services as local
from limpet.connection import connect
from limpet.errors import (
    ConfigurationError,
    JobFailed,
    LimpetError,
    StoreUnavailable,
)
from limpet.names import SCRAPE
from limpet.settings import Settings, reference, settings, variables
from proxies import ProxyPool, tables
from proxies.sources import read_lines
from proxies.store import ProxyStore

cli = typer.Typer(
    help="Scraping jobs on Celery whose sessions stay stuck to one proxy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
proxies_cli = typer.Typer(help="The proxies of a pool.", no_args_is_help=True)
cli.add_typer(proxies_cli, name="proxies")
out = Console()
err = Console(stderr=True)

#: Bad lines shown after an import; the rest are counted.
_SHOWN = 20
#: A job that no worker has begun by then gets a hint about the reason.
_PATIENCE = 3.0
_POLL = 0.05

Pool = Annotated[str, typer.Option(help="Name of the pool.", metavar="NAME")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def _command(app: typer.Typer, name: str) -> Callable[..., Any]:
    """Register a command whose expected errors end it with one line and code 1."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> None:
            try:
                function(*args, **kwargs)
            except LimpetError as error:
                several = isinstance(error, ConfigurationError)
                away = isinstance(error, StoreUnavailable)
                hint = ["is `make up` running?"] if away else []
                _complain(*(error.args if several else [error]), *hint)
            except RedisError:
                _complain("the broker went away: is `make up` still running?")
            except SqlError:
                _complain("LIMPET_DATABASE_URL: cannot open the database")

        app.command(name)(guarded)
        return guarded

    return register


def _complain(*lines: object) -> None:
    for line in lines:
        err.print(f"[red]limpet:[/] {escape(str(line))}", soft_wrap=True)
    raise typer.Exit(1)


@_command(cli, "up")
def up() -> None:
    """Start worker, beat and Flower here, with an embedded Redis if none is set.

    Stop them with Ctrl-C. Example: [bold]FLOWER_PORT=5556 python manage.py up[/]
    """
    config = settings()
    load_dotenv(config.env_file)
    local.check_ports(config)
    schema.upgrade(config)
    host, port = local.flower_address()
    redis = "embedded, its data is in " + str(config.state_dir)
    lines = {
        "Flower": f"http://{host}:{port}",
        "Broker": config.celery_broker if config.broker_url is None else "as set",
        "Redis": redis if config.embedded_redis else "as set",
        "Try": "python manage.py scrape https://example.com --session me",
    }
    for name, value in lines.items():
        out.print(f"[bold]{name:>7}[/]  {escape(value)}", soft_wrap=True)
    sys.stdout.flush()
    local.supervise(config)


@_command(cli, "migrate")
def migrate() -> None:
    """Bring the SQL tables to this version's shape."""
    schema.upgrade(settings())
    out.print("the tables are up to date")


@_command(cli, "scrape")
def scrape(
    url: Annotated[str, typer.Argument(help="Page to fetch.", metavar="URL")],
    session: Annotated[str | None, typer.Option(help="Session to use.")] = None,
    pool: Pool = "default",
    timeout: Annotated[
        float | None, typer.Option(help="Seconds for one fetch.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch one page through a session, wait for it, print it.

    The page goes to standard output, what is said about it to standard error.
    Example: [bold]python manage.py scrape https://example.com --session user-42[/]
    """
    job = {"url": url, "session": session, "pool": pool, "timeout": timeout}
    asked = {name: value for name, value in job.items() if value is not None}
    started = time.monotonic()
    result = client.send(client.producer(settings()), SCRAPE, asked)
    _wait(result, started)
    if result.state == states.FAILURE:
        raise JobFailed(str(result.result))
    page: dict[str, Any] = result.get()
    if as_json:
        print(json.dumps(page, indent=2))  # noqa: T201 - Rich would wrap and colour it
        return
    print(page["text"] if page["text"] is not None else page["body_base64"])  # noqa: T201
    err.print(
        f"[green]{page['status']}[/] {escape(page['url'])}  "
        f"{page['bytes']:,} bytes in {page['elapsed_ms']} ms  "
        f"session {page['session'] or '(temporary)'}  proxy {page['proxy']}  "
        f"generation {page['generation']}  tries {page['tries']}",
        soft_wrap=True,
    )


def _wait(result: AsyncResult[Any], started: float) -> None:
    words = {
        states.PENDING: "waiting for a worker",
        states.STARTED: "fetching",
        states.RETRY: "waiting to try again",
    }
    with err.status("sent") as status:
        while (state := result.state) not in states.READY_STATES:
            seconds = time.monotonic() - started
            text = f"{words.get(state, state)} ({seconds:.0f} s)"
            if state == states.PENDING and seconds > _PATIENCE:
                text += "; is a worker running? `make up` starts one"
            status.update(text)
            time.sleep(_POLL)


@_command(proxies_cli, "import")
def import_proxies(
    file: Annotated[
        typer.FileText,
        typer.Argument(
            help="File, or - for standard input.",
            encoding="utf-8-sig",
            errors="replace",
        ),
    ],
    pool: Pool = "default",
) -> None:
    """Add the proxies of a file: a URL, host:port or host:port:user:password a line.

    A line that cannot be read is reported and skipped. Importing again renews
    passwords. Example: [bold]python manage.py proxies import proxies.txt[/]
    """
    found = read_lines(track(list(file), "reading", console=err, transient=True))
    config = settings()
    schema.upgrade(config)
    new = tables.save(database.engine(config.sql_url), pool, found.proxies)
    _pool(config, pool).publish(found.proxies)
    for bad in found.bad[:_SHOWN]:
        err.print(f"[yellow]line {bad.number}:[/] {escape(bad.reason)}", soft_wrap=True)
    if len(found.bad) > _SHOWN:
        err.print(f"[yellow]and {len(found.bad) - _SHOWN} more bad lines[/]")
    out.print(
        f"{len(found.proxies)} proxies in pool {pool}: {new} new, "
        f"{len(found.proxies) - new} known before, {found.repeats} repeated, "
        f"{len(found.bad)} bad lines skipped",
        soft_wrap=True,
    )
    if not found.proxies:
        raise typer.Exit(1)


@_command(proxies_cli, "ls")
def list_proxies(pool: Pool = "default", as_json: AsJson = False) -> None:
    """List the proxies of a pool and how they are doing; no credentials are shown."""
    config = settings()
    schema.upgrade(config)
    inventory = tables.load(database.engine(config.sql_url), pool)
    rows = [
        {
            "id": one.proxy.id,
            "address": one.proxy.address,
            "state": one.state,
            "due_seconds": round(one.due, 1),
            "failures_in_a_row": one.fails,
            "sessions": one.sessions,
            "in_flight": one.inflight,
            "done": one.done,
            "failures": one.faults,
        }
        for one in _pool(config, pool).status(inventory)
    ]
    if as_json:
        print(json.dumps(rows, indent=2))  # noqa: T201 - Rich would wrap and colour it
    elif rows:
        out.print(_table(f"pool {pool}", rows))
    else:
        out.print(
            f"pool {pool} has no proxies yet: python manage.py proxies import FILE",
            markup=False,
        )


@_command(cli, "settings")
def show_settings(
    markdown: Annotated[bool, typer.Option(help="Print docs/settings.md.")] = False,
) -> None:
    """List every setting: its variable, its value now, what it does."""
    if markdown:
        print(reference())  # noqa: T201 - goes into a file
        return
    config = settings()
    rows = []
    for name, (variable, field) in zip(
        Settings.model_fields, variables().items(), strict=True
    ):
        value = getattr(config, name)
        shown = "(set)" if isinstance(value, SecretStr) else str(value)
        rows.append(
            {"variable": variable, "value": shown, "what": field.description or ""}
        )
    out.print(_table("settings", rows))


def _pool(config: Settings, name: str) -> ProxyPool:
    return ProxyPool(ProxyStore(connect(config.sessions_url), name))


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=title)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))
    return table


if __name__ == "__main__":
    cli()
