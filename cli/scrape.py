"""Pages, as an app would ask for them: one, or a file of them."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape

from cli import asking, targets
from cli.batch import Wanted, run
from cli.command import AsJson, PoolName, misuse
from cli.output import err, print_json, warn

if TYPE_CHECKING:
    from limpet.client import Handle, Page

#: A job that no worker has begun by then gets a hint about the reason.
_PATIENCE: Final = 3.0
_POLL: Final = 0.05
_WORDS: Final = {
    "PENDING": "waiting for a worker",
    "STARTED": "fetching",
    "RETRY": "waiting to try again",
}
_FILES: Final = "Of a file of URLs"


def scrape(
    urls: Annotated[
        list[str] | None,
        typer.Argument(help="Pages to fetch, or files of URLs.", metavar="URL|FILE…"),
    ] = None,
    *,
    session: asking.Session = None,
    pool: PoolName = "default",
    country: asking.Country = None,
    tag: asking.Tags = None,
    strategy: asking.Strategy = None,
    sticky: asking.Sticky = None,
    method: asking.Method = None,
    header: asking.Headers = None,
    param: asking.Params = None,
    form: asking.Form = None,
    json_body: asking.JsonBody = None,
    timeout: asking.Timeout = None,
    max_bytes: asking.MaxBytes = None,
    max_age: asking.MaxAge = None,
    delay: asking.Delay = None,
    robots: asking.Robots = False,
    extract: asking.Extract = None,
    store: asking.Store = None,
    webhook: asking.Webhook = None,
    priority: asking.Priority = None,
    sessions: Annotated[
        int | None,
        typer.Option(
            help="Sessions that share the pages.",
            metavar="N",
            show_default="20",
            rich_help_panel=_FILES,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File that outcomes are added to, as JSON Lines.",
            metavar="FILE",
            rich_help_panel=_FILES,
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            help="Go on with a batch; with its file, what was not done is sent again.",
            metavar="ID",
            rich_help_panel=_FILES,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch one page, or those of a file, through sessions; wait for them, print them.

    A page goes to standard output as it is, with rules its data as JSON. Of several
    URLs, or a file with one a line (- is standard input), what becomes of each page is
    a line of JSON with its index. Ctrl-C leaves jobs as they are, and says how to go
    on. The code is 0 if all pages were fetched, whatever their status, and 1 if not.

    Example: [bold]python manage.py scrape https://example.com --session user-42[/]

    Example: [bold]python manage.py scrape urls.txt --sessions 20 --out pages.jsonl[/]

    Example: [bold]python manage.py scrape urls.txt --resume ID --out pages.jsonl[/]
    """
    from limpet.client import Limpet
    from limpet.settings import settings

    fields = asking.asked(
        country=country,
        tags=tag,
        strategy=strategy,
        sticky=sticky,
        method=method,
        headers=header,
        params=param,
        form=form,
        json_body=json_body,
        timeout=timeout,
        max_bytes=max_bytes,
        max_age=max_age,
        robots=robots,
        extract=extract,
        store=store,
        webhook=webhook,
    )
    fields |= {"pool": pool, "priority": priority}
    config = settings()
    with Limpet(
        config.celery_broker,
        config.celery_results,
        sentinel_master=config.sentinel_master,
    ) as limpet:
        if not (urls or resume):
            misuse("give a URL, a file of them, or --resume ID")
        if urls and targets.is_one_page(urls) and not resume:
            if sessions or out or delay is not None:
                misuse("--sessions, --out and --delay are for several pages")
            fields |= {"session": session} if session else {}
            _one(limpet.scrape(urls[0], **fields), as_json=as_json)
            return
        if as_json and not out:
            misuse("--json: of several pages it prints a summary; give --out FILE too")
        fields |= {"prefix": session}
        fields |= {} if delay is None else {"delay": delay}
        files = tuple(urls or ())
        run(limpet, Wanted(files, sessions, resume, out, as_json), fields)


def _one(job: "Handle[Page]", *, as_json: bool) -> None:
    from dataclasses import asdict

    _wait(job)
    page = job.get(timeout=60)
    if as_json:
        print_json(asdict(page))
        return
    if page.data is not None:
        print_json(page.data)
    else:
        print(page.text if page.text is not None else page.body_base64)  # noqa: T201 - as it is
    err.print(
        f"[green]{page.status}[/] {escape(page.url)}  "
        f"{page.bytes:,} bytes in {page.elapsed_ms} ms  "
        f"session {page.session or '(temporary)'}  proxy {page.proxy}  "
        f"generation {page.generation}  tries {page.tries}",
        soft_wrap=True,
    )


def _wait(job: "Handle[Any]") -> None:
    """Wait until the job has ended; say meanwhile what it waits for."""
    from limpet.client.handle import ENDED

    hinted, started = False, time.monotonic()
    with err.status("sent") as status:
        while (state := job.state) not in ENDED:
            seconds = time.monotonic() - started
            text = f"{_WORDS.get(state, state)} ({seconds:.0f} s)"
            if state == "PENDING" and seconds > _PATIENCE:
                text += "; is a worker running? `make up` starts one"
                if not (hinted or err.is_terminal):
                    # Nobody sees a status that moves: once, and as a line.
                    warn(text)
                    hinted = True
            status.update(text)
            time.sleep(_POLL)
