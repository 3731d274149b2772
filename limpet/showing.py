"""What people may see of jobs: in Flower, its API, `inspect` and events.

Everything is judged by its structure, before anybody cuts it to a length: half of a URL
is no URL, and whoever looks for a password in it finds none. What cannot be understood
is not shown. To show what has been shown already changes nothing, so that Flower can do
it again with what other programs have sent.
"""

import re
from ast import literal_eval
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from limpet import errors

#: What stands for what is not shown.
HIDDEN: Final = "…"
#: Arguments that are shown as they are.
_PLAIN: Final = frozenset(
    {"session", "pool", "proxy", "timeout", "max_bytes", "max_age", "method"}
    | {"country", "strategy", "sticky", "robots", "retries"}
)
_BODIES: Final = frozenset({"json", "form"})
#: Texts of a result that name something of ours.
_NAMES: Final = frozenset({"pool", "session", "proxy", "artifact", "outcome", "state"})
#: Arguments that are looked at; no job has as many.
_MOST: Final = 50
#: URLs that are shown of a job of many.
_URLS: Final = 3
#: Nothing that is shown is longer, nor is longer text read.
_LONGEST: Final = 500
_READ: Final = 4096
#: Errors of ours, whose texts hold no secret.
_OURS: Final = frozenset(errors.__all__)
_ERROR: Final = re.compile(r"([\w.]{1,200})\(")
#: Of a traceback: where it went, not what was said on the way.
_FRAMES: Final = re.compile(
    r'^ *(?:Traceback .*:|File ".*", line \d+, in \S+)$', re.MULTILINE
)


class Open(Protocol):
    """What is configured to be shown; see `limpet.monitor_settings`."""

    @property
    def show_urls(self) -> str: ...

    @property
    def show_bodies(self) -> bool: ...


def place(url: object, show: str) -> str:
    """Return *url* without credentials and fragment, as far as *show* says."""
    try:
        parts = urlsplit(str(url))
        port = "" if parts.port is None else f":{parts.port}"
        host = (
            f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        )
        where = f"{parts.scheme}://{host}{port}"
    except ValueError:
        return HIDDEN
    if not parts.scheme or not parts.hostname:
        return HIDDEN
    if show == "host":
        return where
    query = f"?{parts.query}" if show == "query" and parts.query else ""
    return f"{where}{parts.path}{query}"


def arguments(kwargs: object, open_: Open) -> str:
    """Return what a job was given, as text for people."""
    if not isinstance(kwargs, Mapping):
        return f"{{{HIDDEN}}}"
    some = islice(kwargs.items(), _MOST)
    told = ", ".join(f"{str(k)!r:.60}: {_argument(str(k), v, open_)}" for k, v in some)
    return f"{{{told}}}" if len(told) <= _LONGEST else f"{{{told[:_LONGEST]}{HIDDEN}}}"


def _argument(name: str, value: object, open_: Open) -> str:
    if name == "url" and isinstance(value, str):
        return f"{place(value, open_.show_urls)!r:.300}"
    if name == "urls" and isinstance(value, list):
        return _urls(value, open_)
    shown = name in _PLAIN or (name in _BODIES and open_.show_bodies)
    shown = shown or (name == "params" and open_.show_urls == "query")
    if shown and (name not in _PLAIN or isinstance(value, str | int | float | None)):
        return f"{value!r:.200}"
    return repr(HIDDEN)


def _urls(urls: list[object], open_: Open) -> str:
    some = [place(one, open_.show_urls) for one in urls[:_URLS]]
    return repr(some if len(urls) <= _URLS else [*some, HIDDEN])


def result(value: object, open_: Open) -> Any:
    """Return what of a result may be seen: numbers, and names of what served it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if not isinstance(value, Mapping):
        return HIDDEN
    return {
        str(name)[:60]: _found(str(name), one, open_)
        for name, one in islice(value.items(), _MOST)
    }


def _found(name: str, value: object, open_: Open) -> object:
    if name == "url" and isinstance(value, str):
        return place(value, open_.show_urls)[:300]
    if name in _NAMES and isinstance(value, str):
        return value[:200]
    return value if value is None or isinstance(value, bool | int | float) else HIDDEN


def error(text: str) -> str:
    """Return of an exception's ``repr`` its class, and its text if that is ours."""
    found = _ERROR.match(text)
    if found is None:
        return HIDDEN if text else ""
    if found[1] in _OURS:
        return text[: 2 * _LONGEST]
    return f"{found[1].rpartition('.')[2]}({HIDDEN})"


def traceback(text: str) -> str:
    """Return of a traceback where it went."""
    return "\n".join(_FRAMES.findall(text))


def event(fields: Mapping[str, Any], open_: Open) -> dict[str, Any]:
    """Return an event with what may be seen of it."""
    told = dict(fields)
    for name, show in _FIELDS.items():
        if name in told and told[name] is not None:
            told[name] = show(str(told[name]), open_)
    return told


def _args(text: str, _: Open) -> str:
    return "()" if text in {"", "()", "[]"} else f"({HIDDEN})"


def _kwargs(text: str, open_: Open) -> str:
    return arguments(_structure(text), open_)


def _result(text: str, open_: Open) -> str:
    if text in {"", "None", HIDDEN}:
        return text
    shown = result(_structure(text), open_)
    return shown if isinstance(shown, str) else repr(shown)


def _structure(text: str) -> object:
    if len(text) > _READ:
        return HIDDEN
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return HIDDEN


_FIELDS: Final[dict[str, Callable[[str, Open], str]]] = {
    "args": _args,
    "kwargs": _kwargs,
    "result": _result,
    "exception": lambda text, _: error(text),
    "traceback": lambda text, _: traceback(text),
}
