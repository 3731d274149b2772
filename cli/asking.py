"""The options that say what a job asks for, and the fields that they become.

What is wrong with a value is said by the models of jobs; here is only what cannot be
read at all. No message repeats a value: a header may be a secret.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cli.command import misuse

_PROXY: Final = "Session and proxy"
_FETCH: Final = "Request"
_AFTER: Final = "Result"

Session = Annotated[
    str | None,
    typer.Option(
        help="Session to use; of a file, the beginning of the sessions' names.",
        metavar="ID",
        rich_help_panel=_PROXY,
    ),
]
Country = Annotated[
    str | None,
    typer.Option(help="Country of the proxy.", metavar="DE", rich_help_panel=_PROXY),
]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        help="Tag of the proxy; may be repeated.",
        metavar="TAG",
        rich_help_panel=_PROXY,
    ),
]
Strategy = Annotated[
    str | None,
    typer.Option(help="How a proxy is chosen.", metavar="NAME", rich_help_panel=_PROXY),
]
Sticky = Annotated[
    str | None,
    typer.Option(
        help="Whether the session may move to another proxy (soft) or not (hard).",
        metavar="soft|hard",
        rich_help_panel=_PROXY,
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        help="GET, or POST with a body, unless this is said.",
        metavar="METHOD",
        rich_help_panel=_FETCH,
    ),
]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        "--header",
        "-H",
        help="Header, such as 'Accept: text/html'; may be repeated.",
        metavar="NAME:VALUE",
        rich_help_panel=_FETCH,
    ),
]
Params = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        help="Parameter of the query; may be repeated.",
        metavar="NAME=VALUE",
        rich_help_panel=_FETCH,
    ),
]
Form = Annotated[
    list[str] | None,
    typer.Option(
        "--form",
        help="Field of a form to send; may be repeated.",
        metavar="NAME=VALUE",
        rich_help_panel=_FETCH,
    ),
]
JsonBody = Annotated[
    str | None,
    typer.Option(
        "--json-body",
        help="JSON to send, or a file of it.",
        metavar="JSON|FILE",
        rich_help_panel=_FETCH,
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        help="Seconds for one fetch.", metavar="SECONDS", rich_help_panel=_FETCH
    ),
]
MaxBytes = Annotated[
    int | None,
    typer.Option(
        help="How much of a page to read.", metavar="N", rich_help_panel=_FETCH
    ),
]
MaxAge = Annotated[
    float | None,
    typer.Option(
        help="Seconds that a job may wait and be tried.",
        metavar="SECONDS",
        rich_help_panel=_FETCH,
    ),
]
Delay = Annotated[
    float | None,
    typer.Option(
        help="Of a file: seconds between two pages of a session.",
        metavar="SECONDS",
        rich_help_panel=_FETCH,
    ),
]
Robots = Annotated[
    bool,
    typer.Option(
        "--robots", help="Obey the site's robots.txt.", rich_help_panel=_FETCH
    ),
]
Extract = Annotated[
    str | None,
    typer.Option(
        help="Rules for extraction as JSON, or a file of them.",
        metavar="JSON|FILE",
        rich_help_panel=_AFTER,
    ),
]
Store = Annotated[
    str | None,
    typer.Option(
        help="Keep a row for good, or the row and the body.",
        metavar="row|body",
        rich_help_panel=_AFTER,
    ),
]
Webhook = Annotated[
    str | None,
    typer.Option(
        help="URL that is told when a job is over.",
        metavar="URL",
        rich_help_panel=_AFTER,
    ),
]
Priority = Annotated[
    int | None,
    typer.Option(
        help="0 (most urgent, and the default) to 9.",
        metavar="N",
        rich_help_panel=_AFTER,
    ),
]


def read_json(option: str, text: str) -> Any:
    """Return the JSON that *text* is, or that the file has whose name it is."""
    try:
        with suppress(ValueError):
            return json.loads(text)
        if not text.lstrip().startswith(("{", "[", '"')):
            return json.loads(Path(text).read_text("utf-8"))
    except OSError as error:
        misuse(f"{option}: neither JSON nor a file that can be read ({error.strerror})")
    except RecursionError:
        misuse(f"{option}: is nested too deeply")
    except ValueError:
        pass  # what the file has is none either
    return misuse(f"{option}: is no JSON")


def read_pairs(option: str, given: list[str] | None, mark: str) -> dict[str, Any]:
    """Return names and values; a name that comes again has a list of them."""
    found: dict[str, Any] = {}
    for one in given or ():
        name, sep, value = one.partition(mark)
        name = name.strip()
        if not sep or not name:
            misuse(f"{option}: must be a name, {mark!r} and a value")
        if name in found and mark == ":":
            misuse(f"{option}: {name} is there twice")
        value = value.strip() if mark == ":" else value
        if name in found:
            before = found[name]
            found[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            found[name] = value
    return found


def asked(**options: Any) -> dict[str, Any]:
    """Return the fields of a job: what was given of *options*, which have its names.

    *headers*, *params* and *form* are texts as they were typed, *json_body* and
    *extract* JSON or files.
    """
    for name, mark in (("headers", ":"), ("params", "="), ("form", "=")):
        option = f"--{name.rstrip('s')}"
        options[name] = read_pairs(option, options.get(name), mark) or None
    if options["extract"] is not None:
        options["extract"] = read_json("--extract", options["extract"])
    body = options.pop("json_body", None)
    given = ((k, v) for k, v in options.items() if v is not None and v is not False)
    found = {name: value for name, value in given if value != []}
    if body is not None:
        found["json"] = read_json("--json-body", body)
    if "method" not in found and {"json", "form"} & found.keys():
        found["method"] = "POST"
    return found
