"""Sessions as a file: to move them to another Redis, or to keep a copy.

JSON lines: a head, a session a line, and a last line with the SHA-256 of all before it,
so that a file which was cut or edited is not taken for a whole one. It holds cookies
and is as secret as they are.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from limpet.errors import InvalidExport
from limpet.keys import SESSION_ID
from sessions.manager import SessionManager
from sessions.session import LONGEST, MOST, MOST_LEASES
from sessions.state import SessionState

_FORMAT: Final = "limpet-sessions"
_VERSION: Final = 1


def _to(most: int) -> str:
    return f"[0-9]{{1,{len(str(most))}}}"


#: In milliseconds: until the year 2286.
_TIME: Final = _to(10**13 - 1)
#: Fields of a session's hash that mean the same anywhere; see `limpet.keys`. Leases,
#: fencing numbers and the nonce belong to the Redis they came from.
_FIELDS: Final = {
    **dict.fromkeys(("g", "m", "x", "a", "t", "n", "v", "u"), re.compile(_TIME)),
    # Sums: how large they grow is up to the callers. What is longer is no plain number.
    **dict.fromkeys(("q", "z", "y", "c", "r"), re.compile("[0-9]{1,17}")),
    "o": re.compile(
        f"([sh][rn][kc][p-]:{_to(MOST)}:{_to(MOST_LEASES)}:{_to(LONGEST * 1000)})?"
    ),
    "b": re.compile(f"{_TIME}:{_to(MOST)}"),
    "e": re.compile(r"[0-9]{1,17}(\.[0-9]{1,17})?(e-[0-9]{1,3})?"),
    "h": re.compile(r"([0-9]{1,9}:[0-9]{1,9}( (?=[0-9]))?){0,24}"),
    "w": re.compile(r"[^\x00-\x20\x7f]{0,64}"),
}
_NEEDED: Final = set("mxatn")
_NAME: Final = re.compile(SESSION_ID)


class _Cookie(BaseModel):
    """What those who fetch need of a cookie; there may be more."""

    name: str
    value: str
    domain: str
    path: str = "/"
    expires: FiniteFloat = -1


class _Stored(BaseModel):
    name: str
    value: str


class _Origin(BaseModel):
    origin: str
    localStorage: list[_Stored] = []  # noqa: N815 - Playwright's name


class _State(BaseModel):
    """What a `SessionState` may be made from."""

    model_config = ConfigDict(strict=True, extra="forbid")

    cookies: list[_Cookie] = []
    origins: list[_Origin] = []
    headers: dict[str, str] = {}
    user_agent: str = ""
    metadata: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of the sessions of a file.

    *kept* were there already or had expired; *moved* of the *restored* got another
    proxy, since theirs is not there; *homeless* found none and were left out.
    """

    restored: int
    moved: int
    kept: int
    homeless: int


def export_sessions(
    manager: SessionManager, *, skip: Callable[[str], None] | None = None
) -> Iterator[str]:
    """Give the lines of the file, each with its line break.

    Sessions that are made or end meanwhile may be in it or not. *skip* is told of those
    that are left out since nobody can read their state.

    Raises:
        ConfigurationError: a state is sealed, no key of ours opens it, and there is
            no *skip*.
        StateUnreadable: a state is damaged, and there is no *skip*.
    """
    digest = hashlib.sha256()

    def line(content: dict[str, Any]) -> str:
        text = json.dumps(content, separators=(",", ":"), sort_keys=True) + "\n"
        digest.update(text.encode())
        return text

    yield line({"format": _FORMAT, "version": _VERSION, "pool": manager.pool})
    count = 0
    for name, fields, state in manager.records(skip=skip):
        if not _NAME.fullmatch(name):
            continue  # no import would take it
        kept = portable(fields)
        parts = {k: v for k, v in asdict(state).items() if v and k != "version"}
        content = {"session": name, "proxy": fields["p"], "fields": kept}
        yield line({**content, "state": parts})
        count += 1
    tail = {"sessions": count, "sha256": digest.hexdigest()}
    yield json.dumps(tail, separators=(",", ":")) + "\n"


def portable(fields: dict[str, str]) -> dict[str, str]:
    """Return those fields of a session's hash that mean the same in any Redis."""
    return {key: fields[key] for key in _FIELDS if key in fields}


def import_sessions(
    manager: SessionManager, lines: Iterable[str], *, replace: bool = False
) -> Restored:
    """Bring back the sessions of a file; one that exists stays, unless *replace*.

    One in use always stays. A session whose proxy is not usable here gets another.

    Raises:
        InvalidExport: the file is none, was cut or changed; nothing was restored.
    """
    done = moved = kept = homeless = 0
    for entry in _read(lines):
        state = SessionState(**entry["state"])
        status, proxy = manager.restore(
            entry["session"], entry["proxy"], entry["fields"], state, replace=replace
        )
        done += status == "P"
        moved += status == "P" and proxy != entry["proxy"]
        kept += status == "K"
        homeless += status == "N"
    return Restored(done, moved, kept, homeless)


def _read(lines: Iterable[str]) -> list[dict[str, Any]]:
    texts = list(lines)
    try:
        *entries, tail = [json.loads(text) for text in texts]
        head, *sessions = entries
        whole = hashlib.sha256("".join(texts[:-1]).encode()).hexdigest()
        if head["format"] != _FORMAT or head["version"] != _VERSION:
            raise InvalidExport("this is no file of sessions that can be read here")
        if tail["sha256"] != whole or tail["sessions"] != len(sessions):
            raise InvalidExport("the file was changed or cut: its checksum is wrong")
    except (ValueError, KeyError, TypeError):
        raise InvalidExport("this is no whole file of exported sessions") from None
    for number, entry in enumerate(sessions, start=2):
        _check(number, entry)
    return sessions


def _check(number: int, entry: dict[str, Any]) -> None:
    # The checksum keeps accidents out, not people who make a file of their own.
    try:
        named = _NAME.fullmatch(entry["session"]) and isinstance(entry["proxy"], str)
        fields = entry["fields"].keys() >= _NEEDED and all(
            _FIELDS[key].fullmatch(value) for key, value in entry["fields"].items()
        )
        fields = fields and int(entry["fields"]["x"]) <= int(entry["fields"]["a"])
        _State.model_validate(entry["state"])
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in ("state", *wrong["loc"]))
        raise InvalidExport(f"line {number}: {where}: {wrong['msg']}") from None
    except (KeyError, TypeError, ValueError, AttributeError):
        named = fields = False
    if not (named and fields):
        raise InvalidExport(f"line {number} describes no session")
