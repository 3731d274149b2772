"""One page from the command line: waited for, and printed."""

import re
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

import typer
from rich.markup import escape

from cli.command import INTERRUPTED, complain
from cli.output import err, print_json, put, warn
from limpet.errors import StoreUnavailable

if TYPE_CHECKING:
    from limpet.client import Handle, Page
    from limpet.client.outcomes import Outcome

_Found = TypeVar("_Found", bound="Outcome")

#: A job that no worker has begun by then gets a hint about the reason.
_PATIENCE: Final = 3.0
_POLL: Final = 0.05
_WORDS: Final = {
    "PENDING": "waiting for a worker",
    "STARTED": "fetching",
    "RETRY": "waiting to try again",
}
_NO_WORKER: Final = "is a worker running? `make up` starts one"
_LOST: Final = "? stands for letters that standard output cannot have"
_UNKNOWN: Final = "is a worker running, or is it over for more than an hour?"


def new_id() -> str:
    """Return an id for the job of a page, which is told from a batch's."""
    return f"page-{uuid4().hex[:12]}"


def is_page(job_id: str) -> bool:
    """Whether *job_id* was made here for a page."""
    return re.fullmatch(r"page-[0-9a-f]{12}", job_id) is not None


def bring(
    job: "Handle[Page]", *, cut_asked: bool, resumed: bool, as_json: bool
) -> None:
    """Wait for a page and print it; the code is 1 if that is not the whole page.

    With *cut_asked* a page that is longer than it was to be is no failure.

    Raises:
        LimpetError: it cannot be waited for, or the job has failed.
    """
    page = waited_for(job, command="scrape", resumed=resumed)
    problems = [*_print(page, as_json=as_json), *_cut(page)]
    if page.truncated:
        text = f"the page is longer than --max-bytes: {page.bytes:,} bytes were read"
        if cut_asked:
            warn(text)
        else:
            problems.append(text)
    if problems:
        complain(*problems)
        raise typer.Exit(1)


def waited_for(job: "Handle[_Found]", *, command: str, resumed: bool) -> "_Found":
    """Wait for a job of *command*, and return what it brought; raises as `bring`."""
    try:
        _wait(job, _UNKNOWN if resumed else _NO_WORKER)
        return job.get(timeout=60)
    except KeyboardInterrupt:
        _say_how_to_go_on(job.id, command)
        raise typer.Exit(INTERRUPTED) from None
    except StoreUnavailable:
        _say_how_to_go_on(job.id, command)
        raise


def _print(page: "Page", *, as_json: bool) -> list[str]:
    """Print a page; return what is wrong with what was printed."""
    if as_json:
        print_json(asdict(page))
        return []
    lost = False
    if page.data is not None:
        print_json(page.data)
    else:
        lost = put(sys.stdout, page.text or page.body_base64 or "")
    err.print(
        f"[green]{page.status}[/] {escape(page.url)}  "
        f"{page.bytes:,} bytes in {page.elapsed_ms} ms  "
        f"session {page.session or '(temporary)'}  proxy {page.proxy}  "
        f"generation {page.generation}  tries {page.tries}",
        soft_wrap=True,
    )
    if lost:
        coding = sys.stdout.encoding
        return [f"{_LOST} ({coding}): set PYTHONIOENCODING=utf-8"]
    return []


def _cut(page: "Page") -> list[str]:
    if not page.cut:
        return []
    text = "this is the beginning of the page: a result has LIMPET_RESULT_MAX_BYTES"
    if page.artifact is None:
        return [f"{text}; with --store body it is kept whole"]
    return [f"{text}; all of it: python manage.py results show {page.job} --body"]


def _wait(job: "Handle[Any]", hint: str) -> None:
    """Wait until the job has ended; say meanwhile what it waits for."""
    from limpet.client.handle import ENDED

    hinted, started = False, time.monotonic()
    with err.status("sent") as status:
        while (state := job.state) not in ENDED:
            seconds = time.monotonic() - started
            text = f"{_WORDS.get(state, state)} ({seconds:.0f} s)"
            if state == "PENDING" and seconds > _PATIENCE:
                text += f"; {hint}"
                if not (hinted or err.is_terminal):
                    # Nobody sees a status that moves: once, and as a line.
                    warn(text)
                    hinted = True
            status.update(text)
            time.sleep(_POLL)


def _say_how_to_go_on(job: str, command: str) -> None:
    warn(f"job {job} goes on; to wait for it again:")
    warn(f"  python manage.py {command} --resume {job}")
