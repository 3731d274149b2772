"""Pages, as an app would ask for them: one, or a file of them."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from cli import asking, page, targets
from cli.batch import Wanted, run
from cli.command import AsJson, PoolName, misuse

if TYPE_CHECKING:
    from limpet.client import Handle, Page

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
            min=1,
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
            help="Go on with a batch or a page; with the file of a batch, what was not "
            "done is sent again.",
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
    on. The code is 0 if all pages were fetched, whatever their status, and 1 if not, or
    if what is printed of a page is not all of it.

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
    one = partial(page.bring, cut_asked=max_bytes is not None, as_json=as_json)
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
            job = limpet.scrape(urls[0], task_id=page.new_id(), **fields)
            one(job, resumed=False)
            return
        if resume and page.is_page(resume):
            if urls:
                misuse("--resume: that is a page, which needs no URL to go on with")
            one(cast("Handle[Page]", limpet.job(resume)), resumed=True)
            return
        if as_json and not out:
            misuse("--json: of several pages it prints a summary; give --out FILE too")
        fields |= {"prefix": session}
        fields |= {} if delay is None else {"delay": delay}
        files = tuple(urls or ())
        run(limpet, Wanted(files, sessions, resume, out, as_json), fields)
