"""What all jobs that fetch may say about how."""

from functools import cached_property
from json import dumps
from math import isfinite
from typing import Annotated, Any, Final, Literal, Self, TypeAlias
from urllib.parse import urlencode

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from limpet.jobs.blocks import BlockRules
from limpet.jobs.extraction import Rules
from limpet.jobs.fields import MAX_BYTES, Job, PoolName, SessionId, Timeout
from limpet.jobs.headers import Headers
from limpet.jobs.storing import IdempotencyKey, Store
from limpet.jobs.webhook import Webhook

Method: TypeAlias = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
#: Methods that may be sent again when nobody knows whether they arrived (RFC 9110).
IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_Value: TypeAlias = str | int | float | bool


def _plain(value: object) -> object:
    """Say in one line what pydantic would say once for each kind of value."""
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, _Value) or (
            isinstance(one, float) and not isfinite(one)
        ):
            raise ValueError(
                "must be a text, a finite number, true, false, or a list of them"
            )
        if isinstance(one, str) and not _is_sendable(one):
            raise ValueError("must be text that UTF-8 has: no half of a surrogate pair")
    return value


def _is_sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


#: Values of a query or a form; a list is the same name several times.
Values = Annotated[
    dict[
        Annotated[str, Field(max_length=256)],
        Annotated[_Value | list[_Value], BeforeValidator(_plain)],
    ],
    Field(max_length=256),
]
_Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class FetchJob(Job):
    """How to fetch, and what to do with what came.

    *session* is kept on one proxy; without one, the job has a session of its own, which
    ends with it. *pool*, *country*, *tags* and *strategy* say which proxies may be
    chosen for a new session. *sticky*, *ttl* (seconds) and *max_requests* say how a new
    session lives; one that exists keeps what it began with.

    *timeout* is in seconds and covers one fetch with its redirects; *max_bytes* bounds
    the decoded body, what is beyond is cut off. *max_age* bounds in seconds how long
    the job may wait and be tried (for many pages: since the last one that came). *json*
    or *form* is the body; a content type among *headers* goes before ours. With
    *robots* the site's robots.txt is obeyed. *store* keeps a row (and the body) for
    good; *idempotency_key* lets a job that is sent twice be done once.
    """

    method: Method = "GET"
    headers: Headers = Field(default={}, repr=False)
    params: Values = Field(default={}, repr=False)
    json_: JsonValue = Field(default=None, alias="json", repr=False)
    form: Values | None = Field(default=None, repr=False)
    session: SessionId | None = None
    pool: PoolName = "default"
    country: Annotated[str, Field(pattern=r"^[A-Za-z]{2}$")] | None = None
    tags: Annotated[list[_Tag], Field(max_length=8)] = Field(default=[])
    strategy: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")] | None = None
    sticky: Literal["soft", "hard"] | None = None
    ttl: Annotated[float, Field(gt=0, le=31_536_000, allow_inf_nan=False)] | None = None
    max_requests: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    timeout: Timeout | None = None
    max_bytes: Annotated[int, Field(ge=1, le=MAX_BYTES)] = 1024 * 1024
    max_age: Annotated[float, Field(gt=0, le=604_800, allow_inf_nan=False)] | None = (
        None
    )
    max_redirects: Annotated[int, Field(ge=0, le=30)] = 10
    extract: Rules | None = None
    blocks: BlockRules | None = None
    robots: bool = False
    store: Store | None = None
    webhook: Webhook | None = None
    idempotency_key: IdempotencyKey | None = None

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.json_ is not None and self.form is not None:
            raise ValueError("json and form: a request has one body")
        try:
            body, _ = self.body
        except (ValueError, RecursionError):
            raise ValueError("json: must have no NaN and no infinity") from None
        if body is not None and self.method in {"GET", "HEAD"}:
            raise ValueError(f"method: {self.method} sends no json and no form")
        return self

    @cached_property
    def body(self) -> tuple[bytes | None, str]:
        """The body as it is sent, and its content type."""
        if self.json_ is not None:
            text = dumps(self.json_, ensure_ascii=False, allow_nan=False)
            return text.encode("utf-8", "replace"), "application/json"
        if self.form is not None:
            text = urlencode(pairs(self.form))
            return text.encode(), "application/x-www-form-urlencoded"
        return None, ""


def pairs(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a query or a form has, one pair a value; true is ``true``."""
    flat = (
        (name, one)
        for name, value in values.items()
        for one in (value if isinstance(value, list) else [value])
    )
    return [(name, _text(value)) for name, value in flat]


def _text(value: _Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
