"""``schedule``: what runs by itself, when, and how it went."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cli.command import AsJson
from cli.output import print_json, print_table, say, span

if TYPE_CHECKING:
    from limpet.upkeep import Beat, Record, Row


def show_schedule(*, as_json: AsJson = False) -> None:
    """Show what beat has done: when, set by which variable, and how it went last.

    What is set is read from this environment; beat and its workers may have another.

    Example: [bold]python manage.py schedule[/]

    Example: [bold]python manage.py schedule --json | jq '.entries[] |
    select(.overdue)'[/]
    """
    from beat_schedule import ENTRIES
    from limpet.connection import session_redis
    from limpet.settings import settings
    from limpet.upkeep import UpkeepStore, overview

    config = settings()
    beat, rows = overview(ENTRIES, config, UpkeepStore(session_redis(config)))
    if as_json:
        told = {**asdict(beat), "silent": beat.silent}
        print_json({"beat": told, "entries": [asdict(row) for row in rows]})
        return
    lines = [_line(row, beat.now) for row in rows]
    print_table(lines, whole=("what",), wide=("took", "runs", "failed"))
    say(_about(beat))


def _line(row: "Row", now: float) -> dict[str, Any]:
    record = row.record
    return {
        "what": f"{row.name}\n  {row.variable}={row.value}",
        "last_run": f"{span(now - record.started)} ago" if record.started else "never",
        "took": f"{record.duration_ms:,} ms" if record.ended else "",
        "result": _result(record),
        "runs": record.runs,
        "failed": record.failures,
        "next": _next(row, now),
    }


def _result(record: "Record") -> str:
    if record.error:
        return f"failed: {record.error}"
    return record.summary


def _next(row: "Row", now: float) -> str:
    if row.next is None:
        return f"off: {row.switch}"
    if row.overdue:
        return "overdue"
    return f"in {span(row.next - now)}" if row.next > now else "now"


def _about(beat: "Beat") -> str:
    if beat.silent is None:
        return "No beat has ever run on this Redis: start one with `make up`."
    if not beat.active:
        ago = span(beat.silent)
        return f"No beat is active; the last one, {beat.name}, looked {ago} ago."
    return f"Active: beat {beat.name}, for {span(beat.now - beat.since)}."
