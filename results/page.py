"""One page as it is kept: the values, apart from SQL and from how they are shown."""

import math
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final

#: Deeper than this, extracted data is kept as nothing: no rule of ours goes so deep.
_DEEPEST: Final = 64


@dataclass(frozen=True, slots=True)
class StoredPage:
    """One page of one job, for ever the same by (*job*, *item*).

    *job* is the task id and *item* the page's place in it, from 0. *url* is stored as
    the job gave it, query and all: whoever asks for durable rows asks for that. No
    header and no cookie is. *size* is in bytes, *elapsed* in seconds, *data* what was
    extracted, as JSON values; *artifact* the SHA-256 of the body, if that was kept. A
    page that could not be had has an *error* and no *status*.
    """

    job: str
    item: int
    pool: str
    url: str
    session: str | None = None
    proxy: str = ""
    generation: int = 0
    status: int | None = None
    content_type: str = ""
    size: int = 0
    elapsed: float = 0.0
    data: object = None
    artifact: str | None = None
    error: str | None = None
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which pages: those that fit all that is given, *since* inclusive."""

    job: str | None = None
    pool: str | None = None
    session: str | None = None
    since: datetime | None = None


def fields_of(page: StoredPage) -> dict[str, Any]:
    """Return the fields by name; `asdict` would copy the data, however deep it is."""
    return {one.name: getattr(page, one.name) for one in fields(page)}


def plain(value: object, *, depth: int = 0) -> object:
    """Return *value* as every database takes it.

    PostgreSQL has no NUL in a text and no NaN in JSON; half a surrogate pair, which
    JSON can carry, is in no encoding.
    """
    if isinstance(value, dict | list | tuple) and depth >= _DEEPEST:
        return None
    if isinstance(value, dict):
        return {text(str(k)): plain(v, depth=depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one, depth=depth + 1) for one in value]
    return _scalar(value)


def _scalar(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    return text(str(value))


def text(value: str) -> str:
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def utc(moment: datetime) -> datetime:
    """Return *moment* in UTC without a zone, as the tables keep times.

    Given a time zone, PostgreSQL would turn it into the server's own.
    """
    return moment.astimezone(UTC).replace(tzinfo=None)
