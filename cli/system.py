"""Commands about the whole installation: its services, tables, settings and keys."""

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cli.command import AsJson, fail, opened
from cli.output import count, out, print_json, print_table, progress, say
from limpet.errors import StoreUnavailable

if TYPE_CHECKING:
    from limpet.settings import Settings


def up() -> None:
    """Start workers, beat and Flower here, with an embedded Redis if none is set.

    Stop them with Ctrl-C.

    Example: [bold]FLOWER_PORT=5556 python manage.py up[/]
    """
    import os

    from dotenv import load_dotenv

    from limpet import services
    from limpet.connection import require_no_eviction, session_redis
    from limpet.settings import settings
    from monitor import check_exposure
    from proxies.store import check_strategies
    from sessions import check

    config = settings()
    load_dotenv(config.env_file)
    check(config)
    check_exposure(services.flower_options(), os.environ)
    if config.redis_url:
        # One that is away may come later: jobs wait for it.
        with suppress(StoreUnavailable):
            if not config.allow_eviction:
                require_no_eviction(session_redis(config))
            check_strategies(session_redis(config), config.strategies_dir)
    with services.alone(config):
        _up(config)


def _up(config: "Settings") -> None:
    from limpet import schema, services

    services.check_ports(config)
    schema.upgrade(config)
    host, port = services.flower_address()
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
    services.supervise(config)


def migrate() -> None:
    """Bring the SQL tables to this version's shape.

    Safe to repeat.

    Example: [bold]python manage.py migrate[/]
    """
    from limpet import schema
    from limpet.settings import settings

    schema.upgrade(settings())
    say("the tables are up to date")


def show_settings(
    *,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print docs/settings.md.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List every setting: its variable, its value now, what it does.

    Secrets are not shown.

    Example: [bold]python manage.py settings[/]
    """
    from pydantic import SecretStr

    from limpet.reference import reference
    from limpet.settings import Settings, settings, variables

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
    if as_json:
        print_json(rows)
    else:
        print_table(rows)


def seal(*, as_json: AsJson = False) -> None:
    """Seal what is stored of all proxies under the first of LIMPET_STATE_KEYS.

    For the day a key is retired: put the new one first and keep the old one, restart
    the workers, run this, and drop the old one a day later, when every session has been
    used with the new one or has ended.

    Example: [bold]python manage.py seal[/]
    """
    from proxies import tables

    # Any pool opens the database; which ones there are it says itself.
    engine, sealed = opened("default").engine, {}
    for name in tables.pools(engine):
        pool = opened(name)
        if not pool.sealer.active:
            fail("LIMPET_STATE_KEYS: there is no key to seal with")
        sealed[name] = tables.reseal(engine, pool.sealer, name)
        with progress(f"publishing {name}") as told:
            pool.publish(pool.inventory(), progress=told, anew=True)
    if as_json:
        print_json(sealed)
        return
    for name, number in sealed.items():
        say(f"pool {name}: {count(number, 'proxy')} sealed under the first key")
    if not sealed:
        say("no pool has a proxy: there is nothing to seal")
