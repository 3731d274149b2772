"""``sessions restore``: Redis rebuilt from what checkpoints wrote to SQL."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cli.command import AsJson, checked_pool, opened
from cli.output import count, print_json, progress, say, warn

if TYPE_CHECKING:
    from history.restore import Restoration


def restore(
    *,
    pool: Annotated[
        str | None,
        typer.Option(
            help="Pool; all that have copies if none is named.",
            metavar="NAME",
            callback=checked_pool,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be restored.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring sessions back after Redis has lost them, bindings and cookies included.

    The proxies are published first. A session that lives is never changed; one whose
    time is over, or that ended after it was copied, stays away. May be repeated, and
    run while jobs do.

    Example: [bold]python manage.py sessions restore --dry-run[/]
    """
    from history.tables.checkpoints import pools

    copied = pools(opened("default").engine)
    if pool is not None and pool not in copied:
        there = f"; there are of {', '.join(copied)}" if copied else ""
        warn(f"there are no copies of sessions of pool {pool} in SQL{there}")
        raise typer.Exit(1)
    names = copied if pool is None else [pool]
    done = {name: _restore(name, dry=dry_run) for name in names}
    if as_json:
        told = {name: asdict(one) for name, one in done.items()}
        print_json({"dry_run": dry_run, "pools": told})
    else:
        for name, one in done.items():
            _tell(name, one, dry=dry_run)
        if not done:
            say("there are no copies of sessions in SQL")
    if any(one.homeless or one.unreadable for one in done.values()):
        raise typer.Exit(1)


def _restore(name: str, *, dry: bool) -> "Restoration":
    from history.names import Names
    from history.restore import Restorer
    from history.store import HistoryStore
    from limpet.connection import session_redis

    place = opened(name)
    if not dry:
        with progress(f"publishing proxies of {name}") as told:
            place.publish(place.inventory(), progress=told)
    restorer = Restorer(
        HistoryStore(session_redis(place.config)),
        place.engine,
        place.sealer,
        Names.of(place.config),
    )
    with progress(f"restoring sessions of {name}") as told:
        return restorer.restore(place.sessions, dry=dry, told=told)


def _tell(name: str, done: "Restoration", *, dry: bool) -> None:
    would = "would be " if dry else ""
    moved = "" if dry else f", {done.moved:,} of them on another proxy"
    say(
        f"{count(done.restored, 'session')} {would}restored in pool {name}{moved}; "
        f"{done.there:,} there already, {done.too_old:,} too old, {done.ended:,} ended "
        f"after they were copied, {done.outdated:,} outdated"
    )
    if done.homeless:
        warn(f"{count(done.homeless, 'session')} left out: no proxy may be used now")
    if done.unreadable:
        warn(
            f"{count(done.unreadable, 'session')} left out: no key of "
            "LIMPET_STATE_KEYS opens their ids"
        )
