"""Commands about the whole installation: its services, tables, settings and keys."""

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from cli.command import AsJson, fail, opened
from cli.output import count, out, print_json, print_table, progress, say, warn
from limpet.errors import StoreUnavailable

if TYPE_CHECKING:
    from cli.pool import Pool
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
    from sessions import check, require_layouts

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
            require_layouts(session_redis(config), config)
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
    """Seal what is stored of proxies and sessions under the first of LIMPET_STATE_KEYS.

    For the day a key is retired: put the new one first and keep the old one, restart
    the workers, and run this; docs/commands.md says what else the old one opens.

    Example: [bold]python manage.py seal[/]
    """
    from limpet.connection import session_redis
    from proxies import tables
    from sessions.store import pool_names

    # Any pool opens the database; which ones there are it says itself.
    place, sealed = opened("default"), {}
    recorded = tables.pools(place.engine)
    for name in sorted({*recorded, *pool_names(session_redis(place.config))}):
        pool = opened(name)
        if not pool.sealer.active:
            fail("LIMPET_STATE_KEYS: there is no key to seal with")
        number = _seal_proxies(pool) if name in recorded else 0
        sealed[name] = {"proxies": number, **_seal_sessions(pool)}
    if as_json:
        print_json(sealed)
    for name, told in {} if as_json else sealed.items():
        proxies, sessions = count(told["proxies"], "proxy"), told["sessions"]
        what = f"{proxies} and {count(sessions, 'session')}"
        say(f"pool {name}: {what} sealed under the first key")
    if not sealed and not as_json:
        say("no pool has a proxy: there is nothing to seal")
    if lost := [one for told in sealed.values() for one in told["unreadable"]]:
        warn(
            f"{count(len(lost), 'session')} left as they are, since no key opens their "
            f"state, or it is damaged: {', '.join(lost)}"
        )
        raise typer.Exit(1)


def _seal_proxies(pool: "Pool") -> int:
    from proxies import tables

    number = tables.reseal(pool.engine, pool.sealer, pool.name)
    with progress(f"publishing {pool.name}") as told:
        pool.publish(pool.inventory(), progress=told, anew=True)
    return number


def _seal_sessions(pool: "Pool") -> dict[str, Any]:
    done, unreadable = 0, []
    there = pool.sessions.stats().sessions
    with progress(f"sealing sessions of {pool.name}") as told:
        for seen, (session, well) in enumerate(pool.sessions.seal(), start=1):
            done += well
            if not well:
                unreadable.append(session)
            told(seen, max(seen, there))
    return {"sessions": done, "unreadable": unreadable}
