"""Dead letters: what there is, what is in one, sending it again, and forgetting it."""

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from cli.command import AsJson, Limit, Yes, fail, misuse
from cli.output import (
    confirm,
    count,
    most_of,
    print_fields,
    print_json,
    print_table,
    say,
    span,
    warn,
)

if TYPE_CHECKING:
    from limpet.client.line import Line
    from limpet.dead import DeadLetters, Letter

#: Of an error, what a table shows.
_SHORT: Final = 120
#: Seconds by which the times of one letter may differ: databases round them.
_SAME: Final = 0.001

Ids = Annotated[list[str] | None, typer.Argument(help="Letters.", metavar="ID")]
OfReason = Annotated[
    Literal[
        "failed", "invalid", "unknown_task", "rejected", "malformed", "lost", "expired"
    ]
    | None,
    typer.Option("--reason", help="Only those that died of this."),
]
OfTask = Annotated[
    str | None, typer.Option("--task", help="Only those of this task.", metavar="NAME")
]


def list_dead(
    *,
    reason: OfReason = None,
    task: OfTask = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """List jobs that will never succeed, the newest first.

    Example: [bold]python manage.py dead ls --reason failed[/]
    """
    from limpet.dead import tables

    most = most_of(limit, as_json=as_json)
    rows = [_row(one) for one in _kept(reason=reason, task=task, limit=most)]
    if as_json:
        print_json(rows)
        return
    if not rows:
        say("no dead letters")
        return
    for row in rows:
        row["age"] = span(row.pop("age_seconds"))
    print_table(rows, whole=("id", "reason"), wide=("queue",))
    left = sum(tables.count(_letters().engine, reason=reason, task=task).values())
    if left > len(rows):
        warn(f"{left - len(rows):,} more: --limit 0 shows all")


def show(
    letter: Annotated[str, typer.Argument(help="The letter.", metavar="ID")],
    *,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show all arguments as they are.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter; arguments that may be secret only with --reveal.

    Example: [bold]python manage.py dead show 8f3c…[/]
    """
    from limpet.sealing import Sealer
    from limpet.settings import settings

    [found] = _named([letter])
    contents = found.contents(Sealer.of(settings()))
    told = contents if reveal else _masked(found.task, contents)
    fields = {**_row(found), "error": found.error, **told}
    if as_json:
        print_json(fields)
        return
    fields["age"] = span(fields.pop("age_seconds"))
    print_fields({name: _text(value) for name, value in fields.items()})


def retry(
    ids: Ids = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All that fit.")] = False,
    reason: OfReason = None,
    task: OfTask = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send jobs again, under their names, ids, queues and priorities.

    A letter is forgotten once its job is on its way; if that fails again it comes back.
    Messages that are no jobs cannot be sent.

    Example: [bold]python manage.py dead retry --all --task scrape[/]
    """
    from limpet.client.line import Line
    from limpet.dead import tables
    from limpet.sealing import Sealer
    from limpet.settings import settings

    found = _chosen(ids, every=every, reason=reason, task=task)
    if every and found:
        confirm(f"Send {count(len(found), 'job')} again?", yes=yes)
    config = settings()
    line = Line(config.celery_broker, config.celery_results, config.sentinel_master)
    sealer, letters = Sealer.of(config), _letters()
    sent, kept, large = [], [], 0
    for one in found:
        contents = one.contents(sealer)
        if not one.task or not isinstance(contents.get("kwargs"), dict):
            kept.append(one.id)
            large += not one.payload
            continue
        _send(line, one, contents)
        # One that has come back by now is a letter of its own.
        tables.remove(letters.engine, ids=[one.id], before=one.at + _SAME)
        sent.append(one.id)
    if as_json:
        print_json({"sent": sent, "kept": kept})
    else:
        say(f"{count(len(sent), 'job')} sent")
        if kept:
            warn(f"{count(len(kept), 'letter')} kept: there is no job in them")
        if large:
            warn(f"{large:,} of them had arguments of over 2 MB, which are not kept")
    if ids and kept:
        raise typer.Exit(1)


def stats(*, as_json: AsJson = False) -> None:
    """Count dead letters by reason: those that are kept, and all there ever were.

    Example: [bold]python manage.py dead stats --json[/]
    """
    from limpet.dead import dead_counts, tables
    from limpet.dead.letter import Reason
    from limpet.settings import settings

    _gather()
    kept, ever = tables.count(_letters().engine), dead_counts(settings())
    rows = [
        {"reason": one.value, "kept": kept.get(one, 0), "ever": ever.get(one, 0)}
        for one in Reason
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, whole=("reason",))


def purge(
    ids: Ids = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All that fit.")] = False,
    reason: OfReason = None,
    task: OfTask = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Forget dead letters for good.

    Example: [bold]python manage.py dead purge --all --reason malformed[/]
    """
    from limpet.dead import tables

    found = _chosen(ids, every=every, reason=reason, task=task)
    if found:
        confirm(f"Forget {count(len(found), 'dead letter')} for good?", yes=yes)
    removed = tables.remove(_letters().engine, ids=[one.id for one in found])
    if as_json:
        print_json({"removed": removed})
    else:
        say(f"{count(removed, 'dead letter')} forgotten")


def _letters() -> "DeadLetters":
    from limpet.dead import DeadLetters
    from limpet.settings import settings

    return DeadLetters(settings())


def _kept(**wanted: Any) -> "list[Letter]":
    """Return letters, those that still wait in Redis and the broker too."""
    from limpet.dead import tables

    _gather()
    return tables.load(_letters().engine, **wanted)


def _gather() -> None:
    import structlog

    from limpet.errors import StoreUnavailable
    from tasks.celery import app
    from tasks.parked import collect

    # What it logs is for people: standard output may be JSON.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        collect(app)
        _letters().move()
    except StoreUnavailable as error:
        warn(f"letters that still wait in Redis are not shown: {error}")


def _named(ids: list[str]) -> "list[Letter]":
    found = {one.id: one for one in _kept(ids=ids)}
    if missing := [one for one in ids if one not in found]:
        fail(f"there is no dead letter {missing[0]!r}")
    return [found[one] for one in dict.fromkeys(ids)]


def _chosen(
    ids: list[str] | None, *, every: bool, reason: str | None, task: str | None
) -> "list[Letter]":
    if bool(ids) == every:
        misuse("name letters by their IDs, or say --all")
    if ids and (reason or task):
        misuse("--reason and --task choose among --all")
    return _named(ids) if ids else _kept(reason=reason, task=task)


def _send(line: "Line", letter: "Letter", contents: dict[str, Any]) -> None:
    from limpet.client.line import Letter as Job
    from limpet.errors import ConfigurationError
    from limpet.names import SCRAPE_QUEUE

    # Else who waits would take its last end for the next one.
    with suppress(ConfigurationError):  # there are no results that others can read
        line.forget([letter.id])
    line.send(
        Job(
            letter.task,
            letter.id,
            contents["kwargs"],
            # Maybe another program's, where its own workers are.
            queue=letter.queue or SCRAPE_QUEUE,
            priority=contents.get("priority"),
            args=contents.get("args") or (),
            again=True,
            follows=contents.get("follows") or {},
        )
    )


def _row(letter: "Letter") -> dict[str, Any]:
    return {
        "id": letter.id,
        "task": letter.task,
        "queue": letter.queue,
        "reason": letter.reason.value,
        "age_seconds": round(max(0.0, time.time() - letter.at)),
        "error": letter.error if len(letter.error) < _SHORT else letter.error[:_SHORT],
    }


def _masked(task: str, contents: dict[str, Any]) -> dict[str, Any]:
    from limpet.names import TASKS
    from limpet.settings import settings
    from limpet.showing import arguments

    if "raw" in contents:
        return {"raw": f"({len(contents['raw']):,} characters)"}
    args = contents.get("args")
    return {
        "args": "(…)" if args else "()",
        "kwargs": arguments(
            contents.get("kwargs") or {}, settings(), ours=task in TASKS
        ),
    }


def _text(value: object) -> object:
    return str(value) if isinstance(value, dict) else value
