"""Many pages from the command line: sent, waited for, and written down once each."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import typer
from rich.progress import BarColumn, Progress, TextColumn

from cli import targets
from cli.command import INTERRUPTED, fail
from cli.lines import Lines, adding_to
from cli.output import NotWritten, count, err, print_json, span, warn
from limpet.errors import StoreUnavailable

if TYPE_CHECKING:
    from limpet.client import Batch, BatchProgress, Limpet, PageOutcome

_SESSIONS: Final = 20
#: Seconds without a page after which there is a hint about the reason.
_PATIENCE: Final = 5.0
#: Different reasons that are told of.
_REASONS: Final = 5
_COUNTS: Final = (
    "{task.fields[done]:,} done  {task.fields[failed]:,} failed  "
    "{task.fields[rate]:.1f}/s  {task.fields[left]:,} left"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command was asked for: *files* may be URLs, *resume* is a batch's id."""

    files: Sequence[str]
    sessions: int | None
    resume: str | None
    out: Path | None
    as_json: bool


@dataclass(slots=True)
class _Tally:
    """What has become of pages; *reasons* are those of the ones left."""

    done: int = 0
    failed: int = 0
    left: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, page: "PageOutcome") -> None:
        if page.ok:
            self.done += 1
        elif page.final:
            self.failed += 1
        else:
            self.left += 1
            self.reasons[page.error or ""] += 1


def run(limpet: "Limpet", wanted: Wanted, fields: Mapping[str, Any]) -> None:
    """Send a batch, or go on with one, and see it through.

    Raises:
        LimpetError: it cannot be sent, or waited for.
    """
    name = wanted.resume or uuid4().hex[:12]
    urls = targets.read_urls(wanted.files) if wanted.files else []
    with adding_to(wanted.out) as lines:
        batch = _sent(limpet, wanted, name, urls, fields)
        try:
            jobs = count(len(batch.jobs), "job")
            text = f"batch {name}: {count(len(batch), 'page')} in {jobs}"
            err.print(text, highlight=False)
            started = time.monotonic()
            tally = _see_through(batch, lines)
        except KeyboardInterrupt:
            _say_how_to_go_on(name, wanted.out)
            raise typer.Exit(INTERRUPTED) from None
        except StoreUnavailable:
            _say_how_to_go_on(name, wanted.out)
            raise
        except (NotWritten, BrokenPipeError) as error:
            _say_how_to_go_on(name, wanted.out)
            if wanted.out:
                fail(f"--out: {error}")
            raise
    _sum_up(batch, tally, time.monotonic() - started, as_json=wanted.as_json)


def _sent(
    limpet: "Limpet",
    wanted: Wanted,
    name: str,
    urls: Sequence[str],
    fields: Mapping[str, Any],
) -> "Batch":
    if not urls:
        return limpet.batch(name)
    sessions = _SESSIONS if wanted.sessions is None else wanted.sessions
    try:
        return limpet.scrape_batch(urls, sessions=sessions, batch_id=name, **fields)
    except (KeyboardInterrupt, StoreUnavailable) as error:
        warn(
            f"not all jobs of batch {name} were sent, or none: the same command as "
            f"before with --resume {name} sends what is missing"
        )
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(INTERRUPTED) from None
        raise


def _see_through(batch: "Batch", lines: Lines) -> _Tally:
    tally = _Tally()
    with _bar(len(batch)) as told:
        for page in batch.results(told=told):
            tally.add(page)
            if page.final:
                lines.add(batch.id, page)
    return tally


@contextmanager
def _bar(total: int) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn(_COUNTS))
    start, hinted = time.monotonic(), False
    with Progress(
        *columns, console=err, transient=True, disable=not err.is_terminal
    ) as bar:
        task = bar.add_task(
            "pages", total=total, done=0, failed=0, rate=0.0, left=total
        )
        first: int | None = None

        def told(now: "BatchProgress") -> None:
            nonlocal hinted, first
            over, seconds = now.done + now.failed, time.monotonic() - start
            first = over if first is None else first
            rate = (over - first) / seconds if seconds > 1 else 0.0
            bar.update(
                task,
                completed=over,
                done=now.done,
                failed=now.failed,
                left=now.left,
                rate=rate,
            )
            if not (hinted or over or now.ended) and seconds > _PATIENCE:
                hinted = True
                warn("no page yet: is a worker running? `make up` starts one")

        yield told


def _say_how_to_go_on(batch: str, out: Path | None) -> None:
    to = f" --out {out}" if out else ""
    warn(f"the jobs of batch {batch} go on; to wait for them again:")
    warn(f"  python manage.py scrape --resume {batch}{to}")
    warn(
        f"and the same command as before with --resume {batch} sends again what was "
        "not done"
    )


def _sum_up(batch: "Batch", tally: _Tally, seconds: float, *, as_json: bool) -> None:
    for reason, number in tally.reasons.most_common(_REASONS):
        warn(f"{count(number, 'page')} not fetched: {reason}")
    if tally.left:
        again = f"the same command with --resume {batch.id}"
        warn(f"{again} sends them again, unless they were cancelled")
    if as_json:
        counts = {"done": tally.done, "failed": tally.failed, "left": tally.left}
        about = {"batch": batch.id, "jobs": len(batch.jobs), "total": len(batch)}
        print_json({**about, **counts, "seconds": round(seconds, 3)})
    else:
        err.print(
            f"{tally.done:,} done, {tally.failed:,} failed, {tally.left:,} left "
            f"in {span(seconds)}",
            highlight=False,
        )
    if tally.failed or tally.left:
        raise typer.Exit(1)
