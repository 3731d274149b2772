"""Looking at proxies: how they are doing, and never with what credentials."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cli.command import AsJson, Limit, PoolName, fail, opened
from cli.output import most_of, print_fields, print_json, print_table, say, span

if TYPE_CHECKING:
    from cli.pool import Pool
    from proxies import ProxyRecord, ProxyStatus

State = Literal[
    "unknown",
    "healthy",
    "degraded",
    "unhealthy",
    "dead",
    "unpublished",
    "draining",
    "evacuating",
    "disabled",
    "expired",
]
Order = Literal[
    "address",
    "state",
    "sessions",
    "in_flight",
    "done",
    "failures",
    "success",
    "response_ms",
]


def list_proxies(
    *,
    pool: PoolName = "default",
    state: Annotated[
        State | None,
        typer.Option(help="Only those in it: unhealthy, draining, ….", metavar="STATE"),
    ] = None,
    country: Annotated[
        str, typer.Option(help="Only those of this country.", metavar="CODE")
    ] = "",
    tag: Annotated[
        list[str] | None,
        typer.Option(help="Only those with this tag; repeatable.", metavar="TAG"),
    ] = None,
    sort: Annotated[
        Order, typer.Option(help="By what; the largest first.", metavar="COLUMN")
    ] = "address",
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the proxies of a pool and how they are doing; no credentials are shown.

    Example: [bold]python manage.py proxies ls --state unhealthy --sort failures[/]
    """
    place = opened(pool)
    tags = {one.strip().lower() for one in tag or ()}
    asked = [
        record
        for record in place.inventory()
        if tags <= set(record.tags) and country.upper() in {"", record.country}
    ]
    most, total = most_of(limit, as_json=as_json), len(asked)
    if state is None and sort == "address":
        # Of a large pool, only those that are shown are asked about.
        shown = [row_of(status) for status in place.status(asked[:most])]
    else:
        found = [
            row_of(status)
            for status in place.status(asked)
            if state is None or state in {status.state, status.mode}
        ]
        shown, total = _sorted(found, sort)[:most], len(found)
    if as_json:
        print_json(shown)
    elif shown:
        print_table(
            [_narrow(row) for row in shown],
            whole={"id"},
            wide={"fails", "in_flight", "done", "recent", "success"},
        )
        more = f", {len(shown):,} shown (--limit)" if len(shown) < total else ""
        say(f"{total:,} of pool {pool}{more}")
    else:
        _say_none(place, filtered=bool(tags or country or state))


def show_proxy(
    proxy_id: Annotated[str, typer.Argument(help="The proxy.", metavar="ID")],
    *,
    pool: PoolName = "default",
    as_json: AsJson = False,
) -> None:
    """Show all that is known of one proxy, but for its credentials.

    Example: [bold]python manage.py proxies show 4f1c22d09a[/]
    """
    place = opened(pool)
    [record] = wanted(place, [proxy_id])
    [status] = place.status([record])
    fields = {**row_of(status), **_about(record)}
    if as_json:
        print_json(fields)
    else:
        print_fields({**fields, "response_ms": f"{status.response_ms:,.0f}"})


def wanted(pool: "Pool", ids: list[str]) -> "list[ProxyRecord]":
    """Return the proxies that were named; end the command if one is unknown."""
    found = pool.find(dict.fromkeys(ids))
    records = [record for record in found.values() if record is not None]
    unknown = [one for one, record in found.items() if record is None]
    if unknown:
        unknown_proxies(pool.name, unknown)
    return records


def unknown_proxies(pool: str, ids: list[str]) -> None:
    fail(
        f"pool {pool} has no proxy {', '.join(map(repr, ids))}; "
        f"`python manage.py proxies ls --pool {pool}` lists them"
    )


def row_of(status: "ProxyStatus") -> dict[str, Any]:
    """How a proxy is doing, as JSON values by names for people."""
    return {
        "id": status.proxy.id,
        "address": "direct" if status.proxy.direct else status.proxy.address,
        "state": status.state,
        "mode": status.mode,
        "due_seconds": round(status.due, 1),
        "failures_in_a_row": status.fails,
        "sessions": status.sessions,
        "in_flight": status.inflight,
        "started": status.started,
        "done": status.done,
        "failures": status.faults,
        "success": status.success,
        "response_ms": status.response_ms,
        "recent": status.recent,
        "recent_failures": status.recent_faults,
        "bytes": status.bytes,
        "country": status.record.country,
        "tags": list(status.record.tags),
    }


def _about(record: "ProxyRecord") -> dict[str, Any]:
    return {
        "region": record.region,
        "city": record.city,
        "asn": record.asn,
        "provider": record.provider,
        "weight": record.weight,
        "max_concurrency": record.max_concurrency,
        "enabled": record.enabled,
        "expires": record.expires.isoformat() if record.expires else None,
        "has_credentials": bool(record.proxy.username or record.proxy.password),
    }


def _narrow(row: dict[str, Any]) -> dict[str, Any]:
    """The columns of a table: those that say one thing are put together."""
    due = span(row["due_seconds"]) if row["due_seconds"] else ""
    return {
        "id": row["id"],
        "address": row["address"],
        "state": " ".join(filter(None, (row["mode"], row["state"], due))),
        "fails": f"{row['failures_in_a_row']:g}",
        "sessions": row["sessions"],
        "in_flight": row["in_flight"],
        "done": row["done"],
        "failures": row["failures"],
        "success": f"{row['success']:.0%}",
        "ms": round(row["response_ms"]),
        "recent": f"{row['recent'] - row['recent_failures']}/{row['recent']}",
    }


def _sorted(rows: list[dict[str, Any]], order: Order) -> list[dict[str, Any]]:
    if order == "address":  # the inventory's own order: numbers as numbers
        return rows
    return sorted(rows, key=lambda row: row[order], reverse=order != "state")


def _say_none(pool: "Pool", *, filtered: bool) -> None:
    if filtered:
        say(f"pool {pool.name} has no such proxy")
        return
    say(
        f"pool {pool.name} has no proxies yet: python manage.py proxies import FILE "
        f"--pool {pool.name}"
    )
    if others := pool.others():
        say(f"other pools: {', '.join(others)}")
