"""One page, as an app would ask for it."""

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape

from cli.command import AsJson, PoolName
from cli.output import err, print_json, warn

if TYPE_CHECKING:
    from celery.result import AsyncResult

#: A job that no worker has begun by then gets a hint about the reason.
_PATIENCE: Final = 3.0
_POLL: Final = 0.05
_WORDS: Final = {
    "PENDING": "waiting for a worker",
    "STARTED": "fetching",
    "RETRY": "waiting to try again",
}


def scrape(
    url: Annotated[str, typer.Argument(help="Page to fetch.", metavar="URL")],
    *,
    session: Annotated[str | None, typer.Option(help="Session to use.")] = None,
    pool: PoolName = "default",
    timeout: Annotated[
        float | None, typer.Option(help="Seconds for one fetch.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch one page through a session, wait for it, print it.

    The page goes to standard output, what is said about it to standard error.

    Example: [bold]python manage.py scrape https://example.com --session user-42[/]
    """
    from limpet import client
    from limpet.errors import JobFailed
    from limpet.names import SCRAPE
    from limpet.settings import settings

    job = {"url": url, "session": session, "pool": pool, "timeout": timeout}
    asked = {name: value for name, value in job.items() if value is not None}
    started = time.monotonic()
    result = client.send(client.producer(settings()), SCRAPE, asked)
    if _wait(result, started) == "FAILURE":
        raise JobFailed(str(result.result))
    page: dict[str, Any] = result.get()
    if as_json:
        print_json(page)
        return
    print(page["text"] if page["text"] is not None else page["body_base64"])  # noqa: T201 - as it is
    err.print(
        f"[green]{page['status']}[/] {escape(page['url'])}  "
        f"{page['bytes']:,} bytes in {page['elapsed_ms']} ms  "
        f"session {page['session'] or '(temporary)'}  proxy {page['proxy']}  "
        f"generation {page['generation']}  tries {page['tries']}",
        soft_wrap=True,
    )


def _wait(result: "AsyncResult[Any]", started: float) -> str:
    """Return the state that the job ended in; say meanwhile what it waits for."""
    hinted = False
    with err.status("sent") as status:
        while not result.ready():
            state = result.state
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
    return str(result.state)
