"""A page in a browser, as an app would ask for it."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast
from uuid import uuid4

import typer
from rich.markup import escape

from cli import asking
from cli.command import AsJson, PoolName, complain, misuse
from cli.output import err, print_json
from cli.page import waited_for

if TYPE_CHECKING:
    from limpet.client import File, Handle, RenderedPage

_PAGE: Final = "Page"
_FILES: Final = "Files"
#: Files that options ask for, by the step that keeps them.
_STEPS: Final[dict[str, dict[str, Any]]] = {
    "screenshot": {"do": "screenshot", "full": True},
    "pdf": {"do": "pdf"},
    "html": {"do": "html"},
}

Out = Annotated[
    Path | None,
    typer.Option(
        "--screenshot",
        help="File for a picture (PNG) of the whole page.",
        metavar="FILE",
        rich_help_panel=_FILES,
    ),
]
Pdf = Annotated[
    Path | None,
    typer.Option(
        "--pdf",
        help="File for the page as a PDF.",
        metavar="FILE",
        rich_help_panel=_FILES,
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html",
        help="File for the page's HTML as it became.",
        metavar="FILE",
        rich_help_panel=_FILES,
    ),
]


def render(
    url: Annotated[str | None, typer.Argument(help="Page.", metavar="URL")] = None,
    *,
    session: asking.Session = None,
    pool: PoolName = "default",
    country: asking.Country = None,
    tag: asking.Tags = None,
    strategy: asking.Strategy = None,
    sticky: asking.Sticky = None,
    header: asking.Headers = None,
    steps: Annotated[
        str | None,
        typer.Option(
            help="What to do in the page, as JSON or a file of it.",
            metavar="JSON|FILE",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    wait_for: Annotated[
        str | None,
        typer.Option(
            help="Element that has to be there first.",
            metavar="SELECTOR",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    block: Annotated[
        list[str] | None,
        typer.Option(
            help="Kind of request that is not made, such as image; may be repeated.",
            metavar="TYPE",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    user_agent: Annotated[
        str | None,
        typer.Option(
            help="Of a session that has none.", metavar="TEXT", rich_help_panel=_PAGE
        ),
    ] = None,
    locale: Annotated[
        str | None,
        typer.Option(
            help="The browser's language.", metavar="de-DE", rich_help_panel=_PAGE
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            help="The browser's time zone.",
            metavar="Europe/Berlin",
            rich_help_panel=_PAGE,
        ),
    ] = None,
    timeout: asking.Timeout = None,
    robots: asking.Robots = False,
    extract: asking.Extract = None,
    store: asking.Store = None,
    webhook: asking.Webhook = None,
    priority: asking.Priority = None,
    screenshot: Out = None,
    pdf: Pdf = None,
    html: Html = None,
    resume: Annotated[
        str | None, typer.Option(help="Wait again for a page.", metavar="ID")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Open a page in a worker's browser, do its steps, and print its data.

    It runs with the session's proxy, cookies and storage. What rules take out goes to
    standard output as JSON; files are fetched from where the worker has kept them. The
    code is 1 if the page, or a file of it, could not be had.

    Example: [bold]python manage.py render https://example.com --screenshot page.png[/]

    Example: [bold]python manage.py render https://example.com --session user-42 --steps
    login.json --extract '{"name": "#name"}'[/]
    """
    from limpet.client import Limpet
    from limpet.settings import settings

    wanted = {
        kind: path
        for kind, path in (("screenshot", screenshot), ("pdf", pdf), ("html", html))
        if path is not None
    }
    # Else it would be found out when the page is done, and its steps with it.
    for kind, path in wanted.items():
        if path.is_dir() or not path.parent.is_dir():
            misuse(f"--{kind}: {path}: must be a file in a folder that is there")
    config = settings()
    with Limpet(
        config.celery_broker,
        config.celery_results,
        sentinel_master=config.sentinel_master,
    ) as limpet:
        if resume:
            if url or not re.fullmatch(r"render-[0-9a-f]{12}", resume):
                misuse("--resume: give the ID of a page that was rendered, and no URL")
            job = cast("Handle[RenderedPage]", limpet.job(resume))
        elif url is None:
            misuse("give a URL, or --resume ID")
        else:
            fields = asking.asked(
                country=country,
                tags=tag,
                strategy=strategy,
                sticky=sticky,
                headers=header,
                block=block,
                user_agent=user_agent,
                locale=locale,
                timezone=timezone,
                timeout=timeout,
                robots=robots,
                extract=extract,
                store=store,
                webhook=webhook,
                session=session,
                steps=_steps(steps, wait_for, wanted),
            )
            name = f"render-{uuid4().hex[:12]}"
            job = limpet.render(
                url, task_id=name, pool=pool, priority=priority, **fields
            )
        page = waited_for(job, command="render", resumed=resume is not None)
        _show(page, as_json=as_json)
        _save(page, wanted)


def _steps(text: str | None, wait_for: str | None, wanted: dict[str, Path]) -> Any:
    steps = [] if text is None else asking.read_json("--steps", text)
    if not isinstance(steps, list):
        misuse("--steps: must be a list of steps")
    if wait_for is not None:
        steps.append({"do": "wait", "selector": wait_for})
    # Names of our own: the job's steps may keep files too.
    return steps + [{**_STEPS[kind], "name": f"cli-{kind}"} for kind in wanted]


def _show(page: "RenderedPage", *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(page))
        return
    if page.data is not None:
        print_json(page.data)
    err.print(
        f"[green]{page.status}[/] {escape(page.url)}  {escape(page.title)}  "
        f"{page.received:,} bytes in {page.elapsed_ms} ms  "
        f"session {page.session or '(temporary)'}  proxy {page.proxy}  "
        f"generation {page.generation}  tries {page.tries}",
        soft_wrap=True,
    )


def _save(page: "RenderedPage", wanted: dict[str, Path]) -> None:
    problems = []
    for kind, path in wanted.items():
        found = [one for one in page.files if one.name == f"cli-{kind}"]
        problems += _write(found[0], path) if found else [f"{path}: was not kept"]
    if problems:
        complain(*problems)
        raise typer.Exit(1)


def _write(file: "File", path: Path) -> list[str]:
    from limpet.errors import ArtifactLost
    from limpet.settings import settings
    from results import open_artifacts

    try:
        body = open_artifacts(settings()).get(file.sha256)
    except ArtifactLost as error:
        return [f"{error}: does the worker keep files where this machine looks?"]
    try:
        path.write_bytes(body)
    except OSError as error:
        return [f"{path}: cannot be written ({error.strerror})"]
    err.print(f"{escape(str(path))}: {file.size:,} bytes", soft_wrap=True)
    return []
