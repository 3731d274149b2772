"""Looking at sessions: what they are bound to, and never what is in their cookies."""

import time
from collections import Counter
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape

from cli.command import AsJson, Limit, PoolName, fail, opened
from cli.output import (
    SHOWN,
    out,
    print_fields,
    print_json,
    print_table,
    say,
    span,
)

if TYPE_CHECKING:
    from cli.pool import Pool
    from sessions import PoolStats, SessionInfo

#: Audit events of one session that are shown.
_EVENTS: Final = 10
_SHARES: Final = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}


def list_sessions(
    *,
    pool: PoolName = "default",
    proxy: Annotated[
        str | None, typer.Option(help="Only those of this proxy.", metavar="ID")
    ] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the sessions of a pool, in no order.

    Example: [bold]python manage.py sessions ls --proxy 4f1c22d09a[/]
    """
    place = opened(pool)
    most = limit if limit is not None else 0 if as_json else SHOWN
    every = (one for one in place.sessions.all() if proxy in {None, one.proxy})
    # One more than is shown says whether there are more, without going through all.
    found = list(islice(every, most + 1 if most else None))
    shown = found[:most] if most else found
    if as_json:
        print_json([one._asdict() for one in shown])
        return
    if not shown:
        _say_none(place, proxy)
        return
    now = time.time()
    print_table(
        [_row(one, now) for one in shown],
        whole={"proxy"},
        wide={"age", "moves", "last_url"},
    )
    if len(found) > len(shown):
        say(f"{len(shown):,} shown, there are more (--limit)")


def show_session(
    session_id: Annotated[
        str,
        typer.Argument(help="The session; after -- if it begins with -.", metavar="ID"),
    ],
    *,
    pool: PoolName = "default",
    as_json: AsJson = False,
) -> None:
    """Show one session: its proxy, its times, how many cookies it has, its history.

    Of one that has ended: when and why it did, and its history.

    Example: [bold]python manage.py sessions show user-42[/]
    """
    place = opened(pool)
    if place.sessions.get(session_id) is None:
        _show_ended(place, session_id, as_json=as_json)
        return
    [info] = wanted(place, [session_id])
    fields = {**info._asdict(), **_renders(info), **_state(place, session_id)}
    events = place.events(session_id)
    if as_json:
        print_json({**fields, "events": events})
        return
    now = time.time()
    for name in ("created", "expires", "max_age_at", "lease_until", "next_use"):
        fields[name] = _moment(fields[name], now)
    # A version is the time when it was written, in ms, or the one after the last.
    written = f"{info.state_version}, {_moment(info.state_version / 1000, now)}"
    fields["state_version"] = written if info.state_version else "-"
    print_fields({**fields, "idle_ttl": span(info.idle_ttl)})
    _print_events(events, now)


def _show_ended(place: "Pool", session_id: str, *, as_json: bool) -> None:
    row, events = place.ended(session_id), place.events(session_id)
    if row is None and not events:
        wanted(place, [session_id])  # says that there is none
    fields: dict[str, Any] = asdict(row) if row else {"session": session_id}
    if as_json:
        print_json({**fields, "ended": True, "events": events})
        return
    now = time.time()
    for name in {"created", "closed"} & fields.keys():
        fields[name] = _moment(fields[name], now)
    say("it has ended" if row else "it has ended; how is not in SQL, or not yet")
    print_fields(fields)
    _print_events(events, now)


def _print_events(events: "list[dict[str, str]]", now: float) -> None:
    for event in events[:_EVENTS]:
        kept = {k: v for k, v in event.items() if k not in {"at", "event", "session"}}
        words = "  ".join(f"{name} {value}" for name, value in kept.items())
        when = _moment(int(event["at"]) / 1000, now)
        out.print(f"[dim]{when:>12}[/]  {escape(event['event'])}  {escape(words)}")


def show_stats(*, pool: PoolName = "default", as_json: AsJson = False) -> None:
    """Show what a pool holds, how fast it answers, and why its sessions ended.

    Example: [bold]python manage.py sessions stats --json[/]
    """
    stats = opened(pool).sessions.stats()
    reasons = {
        name.removeprefix("closed_"): number
        for name, number in sorted(stats.counters.items())
        if name.startswith("closed_")
    }
    fields = {**_held(stats), **_times(stats), **_pages(stats), "closed": reasons}
    if as_json:
        print_json({**fields, "counters": stats.counters})
        return
    total = ("acquired", "created", "failovers", "faults", "lost_leases", "no_proxy")
    totals = {name: stats.counters.get(name, 0) for name in total}
    print_fields({**fields, **totals, "closed": reasons or "none"})


def wanted(pool: "Pool", ids: list[str]) -> "list[SessionInfo]":
    """Return the sessions that were named; end the command if one is unknown."""
    found = {one: pool.sessions.get(one) for one in dict.fromkeys(ids)}
    unknown = [one for one, info in found.items() if info is None]
    if unknown:
        fail(
            f"pool {pool.name} has no session {', '.join(map(repr, unknown))}; "
            f"`python manage.py sessions ls --pool {pool.name}` lists them"
        )
    return [info for info in found.values() if info is not None]


def _row(info: "SessionInfo", now: float) -> dict[str, Any]:
    return {
        "session": info.session,
        "proxy": info.proxy,
        "requests": info.requests,
        "in_use": info.leases,
        "mean_ms": round(info.mean_ms),
        "moves": max(0, info.generation - 1),
        "age": span(now - info.created),
        "ends_in": span(max(0.0, info.expires - now)),
        "last_url": info.last_url,
    }


def _state(pool: "Pool", session_id: str) -> dict[str, Any]:
    """What a session carries, by numbers: each of its values may be a secret."""
    state = pool.sessions.state(session_id)
    if state is None:  # it ended a moment ago
        return {}
    domains = Counter(str(one.get("domain", "")).lstrip(".") for one in state.cookies)
    return {
        "cookies": dict(sorted(domains.items())),
        "origins": len(state.origins),
        "headers": sorted(state.headers),
        "user_agent": state.user_agent,
        "metadata": sorted(state.metadata),
    }


def _held(stats: "PoolStats") -> dict[str, Any]:
    return {
        "pool": stats.pool,
        "sessions": stats.sessions,
        "expired_waiting": stats.expired_waiting,
        "leases": stats.leases,
        "warm": stats.warm,
        "proxies_up": stats.proxies_up,
        "proxies_cooling": stats.proxies_cooling,
    }


def _times(stats: "PoolStats") -> dict[str, float]:
    return {name: stats.response_ms(share) for name, share in _SHARES.items()}


def _renders(info: "SessionInfo") -> dict[str, Any]:
    """Pages in a browser: how many, and how long they took."""
    about: dict[str, Any] = {"renders": info.rendered}
    for name, share in _SHARES.items():
        about[f"render_{name}"] = info.render_ms(share)
    return about


def _pages(stats: "PoolStats") -> dict[str, Any]:
    about: dict[str, Any] = {"renders": sum(stats.renders.values())}
    for name, share in _SHARES.items():
        about[f"render_{name}"] = stats.render_ms(share)
    return about


def _moment(at: float, now: float) -> str:
    if not at:
        return "-"
    return f"{span(now - at)} ago" if at <= now else f"in {span(at - now)}"


def _say_none(pool: "Pool", proxy: str | None) -> None:
    if proxy:
        say(f"no session of pool {pool.name} is bound to proxy {proxy}")
        return
    say(f"pool {pool.name} has no sessions")
    if others := pool.others():
        say(f"other pools: {', '.join(others)}")
