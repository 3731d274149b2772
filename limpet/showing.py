"""What people may see of jobs: in Flower, its API, `inspect` and events.

Everything is judged by its structure, before anybody cuts it to a length: half of a URL
is no URL, and whoever looks for a password in it finds none. What cannot be understood
is not shown. To show what has been shown already changes nothing, so that Flower can do
it again with what other programs have sent. *ours*: it is about a task of ours; what is
called ``session`` by another is anything, and its errors may have our names.
"""

import re
from ast import literal_eval
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final, Protocol, get_args
from urllib.parse import urlsplit

from limpet import errors
from limpet.jobs.fetch import Method
from limpet.jobs.fields import HIDDEN, legible
from limpet.keys import POOL_NAME, SESSION_ID
from limpet.names import TASKS

#: Texts of arguments and results that are shown, where they are what they should be.
_TEXTS: Final = {
    "session": re.compile(SESSION_ID),
    "pool": re.compile(POOL_NAME),
    "proxy": re.compile(r"[0-9a-f]{10}"),
    "method": re.compile("|".join(get_args(Method))),
    "country": re.compile(r"[A-Za-z]{2}"),
    "strategy": re.compile(r"[a-z][a-z0-9_]{0,31}"),
    "sticky": re.compile(r"soft|hard"),
    "artifact": re.compile(r"[0-9a-f]{64}"),
    "outcome": re.compile(r"[a-z_]{1,16}"),
    "state": re.compile(r"[a-z_]{1,16}"),
}
#: Arguments that are numbers or switches, and are shown; any other may be a PIN.
_NUMBERS: Final = frozenset({"timeout", "max_bytes", "max_age", "robots", "retries"})
_BODIES: Final = frozenset({"json", "form"})
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
_BEGINNING: Final = "Traceback (most recent call last):"
_FRAME: Final = re.compile(r'  File "[^"]+", line \d+, in \S+')


class Open(Protocol):
    """What is configured to be shown; see `limpet.monitor_settings`."""

    @property
    def show_urls(self) -> str: ...

    @property
    def show_bodies(self) -> bool: ...


def place(url: object, show: str) -> str:
    """Return *url* without credentials and fragment, as far as *show* says.

    An ``@`` beyond the host may belong to a password that has a ``/``: then what looks
    like host and port are its user name and its first digits.
    """
    try:
        parts = urlsplit(str(url))
        port = "" if parts.port is None else f":{parts.port}"
        host = (
            f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        )
        where = f"{parts.scheme}://{host}{port}"
    except ValueError:
        return HIDDEN
    beyond = f"{parts.path}{parts.query}{parts.fragment}"
    broken = "@" in beyond and bool({":", "@"} & {*parts.netloc})
    if not parts.scheme or not parts.hostname or broken:
        return HIDDEN
    if show == "host":
        return where
    query = f"?{parts.query}" if show == "query" and parts.query else ""
    return f"{where}{parts.path}{query}"


def arguments(kwargs: object, open_: Open, *, ours: bool) -> str:
    """Return what a job was given, as text for people."""
    if not isinstance(kwargs, Mapping):
        return f"{{{HIDDEN}}}"
    some = islice(kwargs.items(), _MOST)
    told = ", ".join(
        f"{legible(str(name))!r}: {_argument(str(name), value, open_, ours=ours)}"
        for name, value in some
    )
    return f"{{{told}}}" if len(told) <= _LONGEST else f"{{{told[:_LONGEST]}{HIDDEN}}}"


def _argument(name: str, value: object, open_: Open, *, ours: bool) -> str:
    if name == "url" and isinstance(value, str):
        return f"{place(value, open_.show_urls)!r:.300}"
    if name == "urls" and isinstance(value, list):
        return _urls(value, open_)
    shown = value is None or (ours and _is_named(name, value))
    shown = shown or (name in _NUMBERS and isinstance(value, int | float))
    shown = shown or (name in _BODIES and open_.show_bodies)
    shown = shown or (name == "params" and open_.show_urls == "query")
    return f"{value!r:.200}" if shown else repr(HIDDEN)


def _is_named(name: str, value: object) -> bool:
    """Whether *value* is a text such as *name* has, which names something of ours."""
    pattern = _TEXTS.get(name)
    return bool(pattern and isinstance(value, str) and pattern.fullmatch(value))


def _urls(urls: list[object], open_: Open) -> str:
    some = [place(one, open_.show_urls) for one in urls[:_URLS]]
    return repr(some if len(urls) <= _URLS else [*some, HIDDEN])


def result(value: object, open_: Open, *, ours: bool) -> Any:
    """Return what of a result may be seen: numbers, and names of what served it."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if not isinstance(value, Mapping):
        return HIDDEN
    return {
        legible(str(name)): _found(str(name), one, open_, ours=ours)
        for name, one in islice(value.items(), _MOST)
    }


def _found(name: str, value: object, open_: Open, *, ours: bool) -> object:
    if name == "url" and isinstance(value, str):
        return place(value, open_.show_urls)[:300]
    shown = value is None or isinstance(value, bool | int | float)
    return value if shown or (ours and _is_named(name, value)) else HIDDEN


def error(text: str, *, ours: bool) -> str:
    """Return of an exception's ``repr`` its class, and its text if that is ours."""
    found = _ERROR.match(text)
    if found is None:
        return HIDDEN if text else ""
    if ours and found[1] in _OURS:
        return text[: 2 * _LONGEST]
    return f"{found[1].rpartition('.')[2]}({HIDDEN})"


def traceback(text: str) -> str:
    """Return of a traceback where it went; a message may have lines that look so."""
    told = []
    inside = False
    for line in text.split("\n"):
        inside = line == _BEGINNING or (inside and line.startswith("  "))
        if line == _BEGINNING or (inside and _FRAME.fullmatch(line)):
            told.append(line)
    return "\n".join(told)


def event(fields: Mapping[str, Any], open_: Open, *, ours: bool) -> dict[str, Any]:
    """Return an event with what may be seen of it."""
    told = dict(fields)
    for name, show in _FIELDS.items():
        if name in told and told[name] is not None:
            told[name] = show(str(told[name]), open_, ours=ours)
    return told


def request(told: Mapping[str, Any], open_: Open) -> dict[str, Any]:
    """Return what a worker says of a job that it has, with what may be seen of it."""
    kwargs, ours = told.get("kwargs"), told.get("name") in TASKS
    known = kwargs if isinstance(kwargs, Mapping) else _structure(str(kwargs))
    args = _args(str(told.get("args")))
    return {**told, "args": args, "kwargs": arguments(known, open_, ours=ours)}


def _args(text: str) -> str:
    return "()" if text in {"", "()", "[]"} else f"({HIDDEN})"


def _result(text: str, open_: Open, *, ours: bool) -> str:
    if text in {"", "None", HIDDEN}:
        return text
    shown = result(_structure(text), open_, ours=ours)
    return shown if isinstance(shown, str) else repr(shown)


def _structure(text: str) -> object:
    if len(text) > _READ:
        return HIDDEN
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return HIDDEN


_FIELDS: Final[dict[str, Callable[..., str]]] = {
    "args": lambda text, _, **__: _args(text),
    "kwargs": lambda text, open_, ours: arguments(_structure(text), open_, ours=ours),
    "result": _result,
    "exception": lambda text, _, ours: error(text, ours=ours),
    "traceback": lambda text, _, **__: traceback(text),
}
