"""Sessions into a file, and back from one."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import files
from cli.command import AsJson, PoolName, Yes, misuse, opened
from cli.output import confirm, count, err, print_json, progress, put, say, warn

if TYPE_CHECKING:
    from cli.pool import Told


def export(
    *,
    out: Annotated[Path, typer.Option(help="File to write, or - for standard output.")],
    pool: PoolName = "default",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Write all sessions of a pool to a file; it holds their cookies.

    Its owner alone may read it. Jobs go on meanwhile. Sessions whose state was sealed
    with a key that is retired are left out, and named.

    Example: [bold]python manage.py sessions export --out sessions.jsonl[/]
    """
    from sessions.transfer import export_sessions

    piped = str(out) == "-"
    if piped and as_json:
        misuse("--json: with --out - standard output is the file itself")
    files.may_write(out, yes=yes or piped)
    manager = opened(pool).sessions
    written = 0
    skipped: list[str] = []

    def counted(lines: Iterable[str], told: "Told", there: int) -> Iterator[str]:
        nonlocal written
        # Neither the first line nor the last is a session.
        for written, line in enumerate(lines, start=-1):
            told(max(0, written), max(written, there))
            yield line

    with progress("exporting") as told:
        sessions = export_sessions(manager, skip=skipped.append)
        there = manager.stats().sessions
        lines = counted(sessions, told, there)
        _print(lines) if piped else files.write(out, lines, secret=True)
    if as_json:
        print_json({"file": str(out), "sessions": written, "skipped": skipped})
    else:
        text = f"{count(written, 'session')} in {out}: as secret as their cookies"
        (warn if piped else say)(text)
    if skipped:
        warn(
            f"{count(len(skipped), 'session')} left out, since no key of "
            f"LIMPET_STATE_KEYS opens their state, or it is damaged: "
            f"{', '.join(skipped)}"
        )
        raise typer.Exit(1)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        put(sys.stdout, line.removesuffix("\n"))


def import_(
    file: Annotated[
        typer.FileText,
        typer.Argument(
            help="File, or - for standard input.",
            metavar="FILE",
            encoding="utf-8",
            errors="replace",
        ),
    ],
    *,
    pool: PoolName = "default",
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace sessions that exist.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Bring back the sessions of a file; those that exist stay as they are.

    A session whose proxy is not usable here gets another. One in use always stays.

    Example: [bold]python manage.py sessions import sessions.jsonl --pool shop[/]
    """
    from sessions.transfer import import_sessions

    manager = opened(pool).sessions
    if replace and (there := manager.stats().sessions):
        confirm(
            f"Replace those of the {count(there, 'session')} of pool {pool} that are "
            "in the file?",
            yes=yes,
        )
    with err.status("restoring"):
        done = import_sessions(manager, file, replace=replace)
    if as_json:
        print_json(asdict(done))
    else:
        say(
            f"{count(done.restored, 'session')} restored in pool {pool}, "
            f"{done.moved:,} of them on another proxy; {done.kept:,} left as they are"
        )
    if done.homeless:
        warn(f"{count(done.homeless, 'session')} left out: no proxy may be used now")
        raise typer.Exit(1)
