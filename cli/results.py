"""Looking at what jobs have left behind, and writing it to a file."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NoReturn

import typer

from cli import files
from cli.command import MOST, AsJson, Limit, Yes, fail, misuse, opened
from cli.output import (
    SHOWN,
    count,
    print_fields,
    print_json,
    print_table,
    progress,
    put,
    say,
    span,
)

if TYPE_CHECKING:
    from results import StoredPage, Wanted

_AGE: Final = re.compile(r"(\d{1,6})(min|h|d)")
_UNITS: Final = {"min": "minutes", "h": "hours", "d": "days"}

Job = Annotated[
    str | None, typer.Option(help="Only those of this job.", metavar="TASK-ID")
]
OfPool = Annotated[
    str | None, typer.Option(help="Only those of this pool.", metavar="NAME")
]
OfSession = Annotated[
    str | None, typer.Option(help="Only those of this session.", metavar="ID")
]
Since = Annotated[
    str | None,
    typer.Option(
        help="Only those since: 90min, 12h, 7d, or a date such as 2026-01-31 or "
        "2026-01-31T12:00 (UTC unless it says otherwise).",
        metavar="WHEN",
    ),
]
Form = Literal["jsonl", "csv"]


def list_results(
    *,
    job: Job = None,
    pool: OfPool = None,
    session: OfSession = None,
    since: Since = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List the pages that are kept, the newest first.

    Kept are those of jobs that asked for it (`store`).

    Example: [bold]python manage.py results ls --session user-42 --since 12h[/]
    """
    from results import tables
    from results.export import fields

    wanted = _wanted(job, pool, session, since)
    engine = opened("default").engine
    most = limit if limit is not None else 0 if as_json else SHOWN
    pages = list(tables.find(engine, wanted, newest=True, limit=most or None))
    if as_json:
        print_json([fields(page) for page in pages])
        return
    if not pages:
        say("there is no such result")
        return
    now = datetime.now(UTC)
    print_table(
        [_row(page, now) for page in pages],
        whole={"job", "age"},
        wide={"pool", "proxy", "bytes", "ms"},
    )
    there = tables.count(engine, wanted)
    more = f", {len(pages):,} shown (--limit)" if len(pages) < there else ""
    say(f"{count(there, 'page')}{more}")


def show_result(
    job: Annotated[str, typer.Argument(help="The job.", metavar="TASK-ID")],
    *,
    item: Annotated[
        int,
        typer.Option(help="Which of its pages, from 0.", metavar="N", min=0, max=MOST),
    ] = 0,
    body: Annotated[
        bool, typer.Option("--body", help="Print the page's body, as it came.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one page that is kept: what served it, what was extracted, or its body.

    Example: [bold]python manage.py results show 1f0c… --body > page.html[/]
    """
    from results import tables
    from results.export import fields

    if body and as_json:
        misuse("--body prints the page: leave --json out")
    place = opened("default")
    page = tables.get(place.engine, job, item)
    if page is None:
        _fail_unknown(tables.items(place.engine, job), job, item)
    if body:
        sys.stdout.buffer.write(_body(page))
        sys.stdout.buffer.flush()
        return
    if as_json:
        print_json(fields(page))
        return
    told = fields(page)
    data = told.pop("data")
    print_fields({name: value for name, value in told.items() if value is not None})
    if data is not None:
        print_json(data)


def export_results(
    *,
    out: Annotated[
        Path | None, typer.Option(help="File; if none, or -, standard output.")
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option("--format", help="If not as the file's name ends, or jsonl."),
    ] = None,
    job: Job = None,
    pool: OfPool = None,
    session: OfSession = None,
    since: Since = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Write the pages that are kept to a file, the oldest first, without their bodies.

    In CSV each field of the extracted data is a column (`data.price`); what a
    spreadsheet would take for a formula begins with an apostrophe. The file holds URLs
    with their queries: its owner alone may read it.

    Example: [bold]python manage.py results export --since 7d --out week.csv[/]
    """
    from results import tables
    from results.export import Format, write

    out = files.named(out)
    if as_json and out is None:
        misuse("--json says how it went: name a file with --out")
    wanted = _wanted(job, pool, session, since)
    if out:
        files.may_write(out, yes=yes)
    ends = out.suffix.lower().removeprefix(".") if out else ""
    chosen = Format(form or (ends if ends in {"jsonl", "csv"} else "jsonl"))
    engine = opened("default").engine
    if out is None:
        for line in write(tables.find(engine, wanted), chosen):
            put(sys.stdout, line.removesuffix("\n"))
        return
    with progress("exporting") as told:
        there = tables.count(engine, wanted)
        seen = _Seen(lambda done: told(done, max(done, there)))
        lines = write(seen.through(tables.find(engine, wanted)), chosen)
        files.write(out, lines, secret=True)
    if as_json:
        print_json({"file": str(out), "format": chosen.value, "pages": seen.number})
        return
    say(f"{count(seen.number, 'page')} in {out}")


class _Seen:
    """Counts what goes through, and tells."""

    def __init__(self, told: Callable[[int], None]) -> None:
        self.number = 0
        self._told = told

    def through(self, pages: "Iterable[StoredPage]") -> "Iterator[StoredPage]":
        for self.number, page in enumerate(pages, start=1):
            self._told(self.number)
            yield page


def _wanted(
    job: str | None, pool: str | None, session: str | None, since: str | None
) -> "Wanted":
    from results import Wanted

    start = _moment(since) if since else None
    return Wanted(job=job, pool=pool, session=session, since=start)


def _moment(text: str) -> datetime:
    try:
        if found := _AGE.fullmatch(text):
            age = timedelta(**{_UNITS[found[2]]: int(found[1])})
            return datetime.now(UTC) - age
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        misuse("--since: must be 90min, 12h, 7d, or a date such as 2026-01-31")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _row(page: "StoredPage", now: datetime) -> dict[str, Any]:
    age = (now - page.created).total_seconds() if page.created else 0.0
    return {
        "job": page.job,
        "item": page.item,
        "age": span(max(0.0, age)),
        "pool": page.pool,
        "session": page.session or "",
        "proxy": page.proxy,
        "status": str(page.status or "-"),
        "bytes": page.size,
        "ms": round(page.elapsed * 1000),
        "url": page.error or page.url,
    }


def _fail_unknown(kept: set[int], job: str, item: int) -> NoReturn:
    if kept:
        fail(f"job {job!r} has no page {item}: it has {len(kept):,}, from {min(kept)}")
    fail(f"nothing is kept of a job {job!r}; `python manage.py results ls` lists all")


def _body(page: "StoredPage") -> bytes:
    from limpet.settings import settings
    from results import open_artifacts

    if page.artifact is None:
        fail("the body of this page was not kept: the job did not ask for it")
    return open_artifacts(settings()).get(page.artifact)
