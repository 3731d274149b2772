"""Proxies tried out now: one real request through each."""

from typing import Annotated

import typer

from cli.command import AsJson, PoolName, fail, misuse, opened
from cli.output import print_json, print_table, progress, say
from cli.proxies import wanted


def probe_proxies(
    ids: Annotated[
        list[str] | None,
        typer.Argument(help="Proxies; if none, all.", metavar="ID"),
    ] = None,
    *,
    url: Annotated[str, typer.Option(help="Page to fetch.", metavar="URL")],
    timeout: Annotated[
        float, typer.Option(help="Seconds for each.", min=0.1, max=300)
    ] = 10,
    pool: PoolName = "default",
    as_json: AsJson = False,
) -> None:
    """Fetch a page through each proxy, eight at a time, and count how it went.

    A proxy that answers has recovered, one that fails counts a failure; a page that
    refuses (403, 429) or is broken (5xx) says nothing. Ends with code 1 unless all
    answered well.

    Example: [bold]python manage.py proxies probe --url https://example.com[/]
    """
    from cli.probing import probe, problem

    if wrong := problem(url):
        misuse(f"--url: {wrong}")
    place = opened(pool)
    if place.direct:
        fail(f"pool {pool} goes out without a proxy: LIMPET_DIRECT_POOLS names it")
    records = wanted(place, ids) if ids else place.inventory()
    if not records:
        fail(f"pool {pool} has no proxies: python manage.py proxies import FILE")
    rows = []
    with progress("probing") as told:
        for row in probe(place, records, url, timeout=timeout):
            rows.append(row)
            told(len(rows), len(records))
    rows.sort(key=lambda row: (row["outcome"] == "ok", row["outcome"], row["ms"]))
    well = sum(row["outcome"] == "ok" for row in rows)
    if as_json:
        print_json(rows)
    else:
        print_table(rows, whole={"id"})
        say(f"{well:,} of {len(rows):,} answered well")
    if well < len(rows):
        raise typer.Exit(1)
