"""What commands print: results to standard output, what is said of them to the other.

With ``--json`` standard output holds one JSON value and nothing else.
"""

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TextIO

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

out: Final = Console()
err: Final = Console(stderr=True)

#: Rows of a table when no limit is given: a screen, however large the pool.
SHOWN: Final = 50
#: A narrower terminal gets the columns that matter most.
_WIDE: Final = 110
_SPANS: Final = ((86_400, "d"), (3600, "h"), (60, "min"))

Row = Mapping[str, object]


class NotWritten(Exception):
    """What was to be written could not be; the text says why."""


def put(file: TextIO, text: str) -> bool:
    """Write a line to *file* at once; return whether letters had to be replaced.

    Raises:
        NotWritten: it takes no more, and what is written to it later is dropped.
        BrokenPipeError: nobody reads it any more; the same.
    """
    try:
        coding = file.encoding
        fit = text.encode(coding, "replace").decode(coding)
        file.write(f"{fit}\n")
        file.flush()
    except OSError as error:
        drop(file)
        if isinstance(error, BrokenPipeError):
            raise
        raise NotWritten(f"cannot be written ({error.strerror})") from None
    return fit != text


def drop(file: TextIO) -> None:
    """Have what is still written to *file* go nowhere.

    Or what is left in its buffer would fail again when it is closed.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, file.fileno())
    os.close(nowhere)


def print_json(value: object) -> None:
    put(sys.stdout, json.dumps(value, indent=2))  # Rich would wrap and colour it


def print_table(
    rows: Sequence[Row], *, whole: Collection[str] = (), wide: Collection[str] = ()
) -> None:
    """Print *rows* by the keys of the first: *whole* columns are never broken.

    Columns of *wide* are left out of a narrow terminal.
    """
    names = [n for n in rows[0] if n not in wide or out.width >= _WIDE]
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        number = all(isinstance(row[name], int | float) for row in rows)
        table.add_column(
            name.replace("_", " "),
            overflow="fold",
            no_wrap=name in whole,
            justify="right" if number else "left",
        )
    for row in rows:
        table.add_row(*(escape(_cell(row[name])) for name in names))
    out.print(table)


def print_fields(fields: Row) -> None:
    """Print one thing, a field a line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(name.replace("_", " "), escape(_cell(value)))
    out.print(table)


def say(text: str) -> None:
    """Print a line for people, whatever it holds."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print a line to standard error."""
    err.print(f"[yellow]{escape(text)}[/]", highlight=False, soft_wrap=True)


def most_of(limit: int | None, *, as_json: bool) -> int | None:
    """Return how many rows are to be shown at most; `None` for all."""
    return (limit if limit is not None else 0 if as_json else SHOWN) or None


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how much is done; give what is to be told so: done, all."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=err, transient=True, disable=not err.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, every: bar.update(task, completed=done, total=every)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what cannot be undone; without anybody to ask, refuse."""
    if yes:
        return
    if not sys.stdin.isatty():
        text = f"[red]limpet:[/] {escape(question)} Say so with --yes."
        err.print(text, soft_wrap=True)
        raise typer.Exit(1)
    typer.confirm(question, abort=True, err=True)


def count(number: int, thing: str) -> str:
    """``1 proxy``, ``2,000 proxies``."""
    plural = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{number:,} {thing if number == 1 else plural}"


def span(seconds: float) -> str:
    """A time in its largest unit: ``3 h``, ``12 s``."""
    for unit, name in _SPANS:
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def _cell(value: object) -> str:
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if isinstance(value, dict):
        value = [f"{name} {number}" for name, number in value.items()]
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)
