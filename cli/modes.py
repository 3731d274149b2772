"""What may be done with proxies: enable, disable, drain, evacuate, remove."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.command import AsJson, PoolName, Yes, opened
from cli.output import confirm, count, print_json, progress, say
from cli.proxies import unknown_proxies, wanted

if TYPE_CHECKING:
    from cli.pool import Pool
    from proxies import ProxyRecord

Ids = Annotated[list[str], typer.Argument(help="Proxies.", metavar="ID")]


def disable(ids: Ids, *, pool: PoolName = "default", as_json: AsJson = False) -> None:
    """Use proxies no more, until they are enabled; their sessions move at next use.

    Example: [bold]python manage.py proxies disable 4f1c22d09a[/]
    """
    place = opened(pool)
    records = wanted(place, ids)
    for record in records:
        place.set_mode(record, "disabled")
    _done(records, "disabled", as_json=as_json)


def enable(ids: Ids, *, pool: PoolName = "default", as_json: AsJson = False) -> None:
    """Use proxies again that were disabled, drained or evacuated.

    Example: [bold]python manage.py proxies enable 4f1c22d09a 90be55e1f3[/]
    """
    place = opened(pool)
    records = wanted(place, ids)
    for record in records:
        place.set_mode(record, "")
    _done(records, "enabled", as_json=as_json)


def drain(ids: Ids, *, pool: PoolName = "default", as_json: AsJson = False) -> None:
    """Give proxies no new sessions; those they have stay.

    Undone by enable.

    Example: [bold]python manage.py proxies drain 4f1c22d09a[/]
    """
    place = opened(pool)
    records = wanted(place, ids)
    for record in records:
        place.set_mode(record, "draining")
    _done(records, "draining", as_json=as_json)


def evacuate(
    ids: Ids,
    *,
    pool: PoolName = "default",
    only_lazy: Annotated[
        bool, typer.Option("--only-lazy", help="Let sessions move at their next use.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Move all sessions of proxies to others, and give them no new ones.

    A session in use moves at its next use. Undone by enable; what has moved stays.

    Example: [bold]python manage.py proxies evacuate 4f1c22d09a[/]
    """
    place = opened(pool)
    records = wanted(place, ids)
    # All of them first, or sessions would move from one to the next.
    for record in records:
        place.set_mode(record, "evacuating")
    moved = used = stuck = 0
    for record in [] if only_lazy else records:
        swept = _sweep(place, record)
        moved, used, stuck = moved + swept[0], used + swept[1], stuck + swept[2]
    if as_json:
        ids = [record.id for record in records]
        print_json({"ids": ids, "moved": moved, "in_use": used, "stuck": stuck})
        return
    what = f"{count(len(records), 'proxy')} evacuating"
    if only_lazy:
        say(f"{what}: sessions move at their next use")
    else:
        say(
            f"{what}: {count(moved, 'session')} moved, {used:,} in use and moving at "
            f"their next use, {stuck:,} that cannot move"
        )


def remove(
    ids: Ids, *, pool: PoolName = "default", yes: Yes = False, as_json: AsJson = False
) -> None:
    """Remove proxies from the inventory; their sessions move at their next use.

    Example: [bold]python manage.py proxies rm 4f1c22d09a[/]
    """
    place = opened(pool)
    named = list(dict.fromkeys(ids))
    found = place.find(named)
    # One that only Redis knows is what a lost inventory or a direct pool left behind.
    strange = [one for one in named if not found[one] and not place.published(one)]
    if strange:
        unknown_proxies(pool, strange)
    confirm(f"Remove {count(len(named), 'proxy')} from pool {pool}?", yes=yes)
    for one in named:
        place.remove(one)
    if as_json:
        print_json({"ids": named, "mode": "removed"})
    else:
        say(f"{count(len(named), 'proxy')} removed")


def _sweep(pool: "Pool", record: "ProxyRecord") -> tuple[int, int, int]:
    moved = used = stuck = 0
    [status] = pool.status([record])
    with progress(f"evacuating {record.id}") as told:
        for step in pool.sessions.evacuate(record.id):
            moved, used = moved + step.moved, used + step.used
            stuck += step.stuck
            seen = moved + used + stuck
            told(seen, max(seen, status.sessions))
    return moved, used, stuck


def _done(records: "list[ProxyRecord]", mode: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"ids": [record.id for record in records], "mode": mode})
    else:
        say(f"{count(len(records), 'proxy')} {mode}")
