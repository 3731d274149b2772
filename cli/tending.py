"""Changing sessions: end them, or move them to another proxy."""

from typing import Annotated

import typer

from cli.command import AsJson, PoolName, Yes, fail, opened
from cli.output import confirm, count, print_json, progress, say
from cli.proxies import wanted as wanted_proxies
from cli.sessions import wanted


def close(
    ids: Annotated[
        list[str],
        typer.Argument(help="Sessions; after -- if one begins with -.", metavar="ID"),
    ],
    *,
    pool: PoolName = "default",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End sessions now; what they carry is forgotten.

    Example: [bold]python manage.py sessions close user-42 user-43[/]
    """
    place = opened(pool)
    named = [info.session for info in wanted(place, ids)]
    confirm(f"End {count(len(named), 'session')} of pool {pool}?", yes=yes)
    closed = [one for one in named if place.sessions.close(one)]
    if as_json:
        print_json({"closed": closed})
    else:
        say(f"{count(len(closed), 'session')} closed")


def clear(
    *, pool: PoolName = "default", yes: Yes = False, as_json: AsJson = False
) -> None:
    """End all sessions of a pool; what they carry is forgotten.

    Example: [bold]python manage.py sessions clear --pool shop[/]
    """
    place = opened(pool)
    there = place.sessions.stats().sessions
    if there:
        confirm(f"End {count(there, 'session')} of pool {pool}?", yes=yes)
    ended = 0
    with progress("closing") as told:
        for step in place.sessions.clear():
            ended += step
            told(ended, max(ended, there))
    if as_json:
        print_json({"pool": pool, "closed": ended})
    else:
        say(f"{count(ended, 'session')} of pool {pool} closed")


def migrate(
    session_id: Annotated[
        str,
        typer.Argument(help="The session; after -- if it begins with -.", metavar="ID"),
    ],
    *,
    to: Annotated[str, typer.Option(help="The proxy to move to.", metavar="PROXY")],
    pool: PoolName = "default",
    as_json: AsJson = False,
) -> None:
    """Move a session to a proxy of your choice, cookies and all.

    One that is in use cannot be moved.

    Example: [bold]python manage.py sessions migrate user-42 --to 4f1c22d09a[/]
    """
    place = opened(pool)
    [before] = wanted(place, [session_id])
    [proxy] = wanted_proxies(place, [to])
    if before.proxy != to:
        place.sessions.migrate(session_id, to)
    after = place.sessions.get(session_id)
    if after is None:
        fail(f"session {session_id!r} ended a moment ago")
    if as_json:
        told = {"session": session_id, "from": before.proxy, "proxy": after.proxy}
        print_json({**told, "generation": after.generation})
        return
    was = "moved" if before.proxy != to else "is there already"
    say(f"session {session_id} {was}: proxy {to}, {proxy.proxy.address}")
