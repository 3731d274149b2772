"""``make chaos``: a storm by hand."""

import json
import random
import shutil
import signal
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lab.services import ServicesError
from tests.chaos.storm.report import show
from tests.chaos.storm.storm import storm

console = Console()

_BUGS = ("unfenced", "unsticky", "early-ack")


def main(
    *,
    jobs: Annotated[int, typer.Option(min=1, help="How many.")] = 10_000,
    rate: Annotated[float, typer.Option(min=1, help="Jobs a second.")] = 25,
    seed: Annotated[
        int | None, typer.Option(help="Of a storm before: the same order again.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="300 jobs.")] = False,
    bug: Annotated[
        str, typer.Option(help=f"Plant one: {', '.join(_BUGS)}.", metavar="BUG")
    ] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Keep logs and data.")] = False,
) -> None:
    """Kill parts of Limpet under load, and check what is promised.

    The code is 0 when all rules hold, 1 when one is broken. Logs and data stay when one
    is. Example: [bold]make chaos CHAOS='--jobs 2000 --seed 7'[/]
    """
    if bug not in {"", *_BUGS}:
        raise typer.BadParameter(", ".join(_BUGS), param_hint="--bug")
    if quick:
        jobs, rate = 300, 12
    seed = random.randrange(10_000) if seed is None else seed
    folder = Path(tempfile.mkdtemp(prefix="limpet-storm-"))
    begin, code = time.monotonic(), 2
    try:
        found = storm(folder, jobs=jobs, seed=seed, rate=rate, bug=bug, tell=_tell)
        record = json.dumps(asdict(found.history), default=list)
        (folder / "history.json").write_text(record, "utf-8")
        show(console, found.history, found.verdict, redelivered=found.redelivered)
        code = 1 if found.broken else 0
    except ServicesError as error:
        console.print(f"[red]chaos:[/] {error}", soft_wrap=True)
    except KeyboardInterrupt:
        console.print("interrupted; everything is stopped")
        code = 130
    took = time.monotonic() - begin
    word = {0: "[green]all rules hold[/]", 1: "[red]rules are broken[/]"}.get(code)
    if word:
        console.print(f"{word}: seed {seed}, {took:.0f} s", highlight=False)
    if keep or code in {1, 2}:
        console.print(f"Logs and data: {folder}", soft_wrap=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(code)


def _tell(line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    typer.run(main)
