"""Audit events as rows: an event of many sessions is a row each."""

import json
from collections.abc import Sequence
from typing import Any, Final

from history.names import Names
from history.store import LATEST, Entry, moment, storable
from history.tables.writing import Values, utc

#: Fields of an event that have columns of their own, or make rows of their own.
_KNOWN: Final = frozenset({"event", "session", "sessions", "proxy", "ended"})
#: Ended by themselves, at a time that was known before: the clean-up comes later.
_BY_TIME: Final = frozenset({"idle", "max_age"})
#: Characters of columns.
_EVENT, _REASON, _PROXY, _SESSION = 32, 16, 10, 128
#: What is told of a session that ended, its name being the last.
_FIGURES: Final = 9
#: Says that events may be missing.
GAP: Final = "gap"


def sound(entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    """Return those that are events, and the ids of those that are none of ours."""
    found, damaged = [], []
    for entry in entries:
        key, fields = entry
        if "event" in fields and storable(key):
            found.append(entry)
        else:
            damaged.append(key)
    return found, damaged


def audit_rows(pool: str, entries: Sequence[Entry], names: Names) -> list[Values]:
    """Return the rows of *entries*, sessions named as they are in SQL."""
    rows: list[Values] = []
    for key, fields in entries:
        ms, seq = moment(key)
        proxies = {one["session"]: one["proxy"] for one in _ended(fields)}
        details = {k: v for k, v in fields.items() if k not in _KNOWN}
        together = fields.get("sessions", fields.get("session", "")).split()
        for item, session in enumerate(together or [""]):
            proxy = fields.get("proxy") or proxies.get(session)
            rows.append(
                {
                    "pool": pool,
                    "ms": ms,
                    "seq": seq,
                    "item": item,
                    "at": utc(ms),
                    "event": _word(fields["event"], _EVENT),
                    "session": _label(names, session) if session else None,
                    "proxy": _word(proxy, _PROXY) if proxy else None,
                    "details": details,
                }
            )
    return rows


def closed_rows(pool: str, entries: Sequence[Entry], names: Names) -> list[Values]:
    """Return a row for each session that *entries* say has ended."""
    rows: list[Values] = []
    for key, fields in entries:
        ms, seq = moment(key)
        reason = _word(fields.get("reason", ""), _REASON)
        for item, one in enumerate(_ended(fields)):
            over = min(ms, one["until_ms"]) if reason in _BY_TIME else ms
            rows.append(
                {
                    "pool": pool,
                    "ms": ms,
                    "seq": seq,
                    "item": item,
                    "session": _label(names, one["session"]),
                    "proxy": one["proxy"],
                    "created": utc(one["created_ms"]),
                    "closed": utc(max(over, one["created_ms"])),
                    "reason": reason,
                    "requests": one["requests"],
                    "failovers": one["failovers"],
                    "bytes": one["bytes"],
                }
            )
    return rows


def gap_row(pool: str, after: str, first: Entry) -> Values:
    """Return the row that says that events between two others may be missing."""
    (since, _), (ms, seq) = moment(after), moment(first[0])
    details = {"since_ms": since, "until_ms": ms}
    # Before the first event that is there; its own items begin at 0.
    key = {"pool": pool, "ms": ms, "seq": seq, "item": -1, "at": utc(ms)}
    return {**key, "event": GAP, "session": None, "proxy": None, "details": details}


def _ended(fields: dict[str, str]) -> list[dict[str, Any]]:
    """Read what ``sessions/lua/_lived.lua`` says of sessions that ended."""
    try:
        told = json.loads(fields.get("ended") or "[]")
    except (ValueError, RecursionError):
        return []  # a damaged record must not stop all events after it
    found = []
    for one in told if isinstance(told, list) else []:
        if not (isinstance(one, list) and len(one) == _FIGURES):
            continue
        proxy, expires, deadline, ends, max_age, requests, bindings, size, name = one
        found.append(
            {
                "session": str(name),
                "proxy": _word(str(proxy or ""), _PROXY),
                "created_ms": max(0, _number(ends) - _number(max_age)),
                "until_ms": max(_number(expires), _number(deadline)),
                "requests": _number(requests),
                "failovers": max(0, _number(bindings) - 1),
                "bytes": _number(size),
            }
        )
    return found


def _label(names: Names, session: str) -> str:
    return _word(names.label(_word(session, len(session))), _SESSION)


def _word(text: str, most: int) -> str:
    """Return what SQL can keep of a text that something else may have written."""
    kept = text.replace("\0", "\ufffd").encode(errors="replace").decode()
    return kept[:most]


def _number(value: Any) -> int:
    """Of a field that a session has not there is ``false``."""
    try:
        return min(LATEST, max(0, int(float(value or 0))))
    except (TypeError, ValueError, OverflowError):
        return 0  # as above
