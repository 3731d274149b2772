"""``sessions reshard``: a pool spread over another number of shards."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli import files
from cli.command import AsJson, PoolName, Yes, fail, opened
from cli.output import confirm, count, err, print_json, progress, say, warn

if TYPE_CHECKING:
    from cli.pool import Pool
    from limpet.settings import Settings
    from sessions.layout import Layout
    from sessions.transfer import Restored

#: Leases of dead holders settled in one step, and sessions that are over.
_STEP: Final = 500


def reshard(
    *,
    out: Annotated[
        Path, typer.Option(help="File for the sessions, until they are back.")
    ],
    pool: PoolName = "default",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Spread a pool over as many shards as LIMPET_POOL_SHARDS says now.

    All services have to be stopped. The sessions go to a file, which is as secret as
    their cookies, and from there to where they are looked for from now on. Most get
    another proxy, once: a session and its proxy lie in one shard. Proxies are published
    anew, so their health and all counts begin anew. Should it end half-way, run it
    again with the same file.

    Example: [bold]python manage.py sessions reshard --pool hot --out hot.jsonl[/]
    """
    from limpet.connection import session_redis
    from sessions.layout import Layout

    place = opened(pool)
    layout = Layout(session_redis(place.config), pool)
    before, after = layout.count(), place.config.shards.count(pool)
    whole = before is not None
    if before == after and not out.is_file():
        _tell(pool, after, None, as_json=as_json)
        return
    if not whole and not out.is_file():
        fail(f"--out: pool {pool} was left half-way, and there is no file {out}")
    _check(place, after)
    _see_that_all_rest(place.config)
    if before == after or not whole:
        confirm(f"Go on with the sessions of pool {pool} in {out}?", yes=yes)
    else:
        confirm(
            f"Move pool {pool} to {count(after, 'shard')}? All workers, beat and "
            "Flower have to be stopped.",
            yes=yes,
        )
    if before != after:
        if before is not None:
            files.may_write(out, yes=yes)
            _save(place, before, out)
        _move(place, layout, after)
    with progress("publishing") as told:
        place.publish(place.inventory(), progress=told)
    _tell(pool, after, _bring_back(place, out), as_json=as_json)


def _check(place: "Pool", shards: int) -> None:
    """See that no shard would be without proxies, before anything is changed."""
    from limpet.shards import shard_of

    records = place.inventory()
    found = {shard_of(one.id, shards) for one in records}
    if len(found) < shards and not place.direct:
        fail(
            f"LIMPET_POOL_SHARDS: {shards - len(found)} of {shards} shards would have "
            f"none of the {count(len(records), 'proxy')} of pool {place.name}: add "
            "proxies (ten for each shard are safe), or have fewer shards"
        )


def _see_that_all_rest(config: "Settings") -> None:
    """See that no worker goes on where the sessions were: it would make them anew."""
    from health.broker import takers
    from limpet.errors import StoreUnavailable
    from tasks.celery import app

    try:
        found = takers(app, config.health_timeout_seconds)
    except StoreUnavailable as error:
        warn(f"{error}: see for yourself that all workers are stopped")
        return
    if found:
        fail(
            f"{count(len(found), 'worker')} at work, stop all first: {', '.join(found)}"
        )


def _move(place: "Pool", layout: "Layout", shards: int) -> None:
    from history.tables.cursor import forget
    from limpet.shards import MOST_SHARDS, shard_names

    layout.clear()
    # Streams and walks begin anew: how far the old ones had come says nothing of these.
    names = [place.name, *shard_names(place.name, MOST_SHARDS)]
    walks = [f"checkpoint:{place.name}", *(f"audit:{name}" for name in names)]
    forget(place.engine, walks)
    layout.settle(shards)


def _save(place: "Pool", shards: int, out: Path) -> None:
    """Write the sessions to *out*, and what befell them to SQL."""
    from history.drain import Drain
    from history.names import Names
    from history.store import HistoryStore
    from limpet.connection import session_redis
    from limpet.shards import Shards
    from sessions import open_pool
    from sessions.transfer import export_sessions

    found = Shards({**place.config.shards.counts, place.name: shards})
    config = place.config.model_copy(update={"pool_shards": found.text})
    client = session_redis(config)
    old = open_pool(client, place.name, config)
    while old.expire(_STEP).leases == _STEP:
        pass
    if leases := old.stats().leases:
        fail(
            f"{count(leases, 'request')} of pool {place.name} under way: stop all "
            "workers, and wait until what they held has timed out"
        )
    files.write(out, export_sessions(old), secret=True)
    drain = Drain(HistoryStore(client, found), place.engine, Names.of(config))
    while drain.audit(place.name).more:
        pass


def _bring_back(place: "Pool", file: Path) -> "Restored":
    from sessions.transfer import import_sessions

    with file.open(encoding="utf-8") as lines, err.status("restoring"):
        return import_sessions(place.sessions, lines)


def _tell(pool: str, shards: int, done: "Restored | None", *, as_json: bool) -> None:
    if as_json:
        print_json({"pool": pool, "shards": shards, **(asdict(done) if done else {})})
    elif done is None:
        say(f"pool {pool} has {count(shards, 'shard')} already")
    else:
        say(
            f"pool {pool} has {count(shards, 'shard')}: "
            f"{count(done.restored, 'session')} brought there, {done.moved:,} of them "
            f"to another proxy; {done.kept:,} had expired"
        )
    if done and done.homeless:
        warn(f"{count(done.homeless, 'session')} left out: no proxy may be used now")
        raise typer.Exit(1)
