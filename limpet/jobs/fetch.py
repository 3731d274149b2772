"""What jobs that fetch may say about their requests."""

from functools import cached_property
from json import dumps
from math import isfinite
from typing import Annotated, Any, Final, Literal, Self, TypeAlias
from urllib.parse import urlencode

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from limpet.jobs.fields import MAX_BYTES
from limpet.jobs.session import SessionJob

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


class FetchJob(SessionJob):
    """What to send, and how much of an answer to take.

    *max_bytes* bounds the decoded body, what is beyond is cut off. *json* or *form* is
    the body; a content type among *headers* goes before ours.
    """

    method: Method = "GET"
    params: Values = Field(default={}, repr=False)
    json_: JsonValue = Field(default=None, alias="json", repr=False)
    form: Values | None = Field(default=None, repr=False)
    max_bytes: Annotated[int, Field(ge=1, le=MAX_BYTES)] = 1024 * 1024
    max_redirects: Annotated[int, Field(ge=0, le=30)] = 10

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.json_ is not None and self.form is not None:
            raise ValueError("json and form: a request has one body")
        try:
            body, _ = self.body
        except (ValueError, RecursionError):
            raise ValueError(
                "json: must have no NaN, no infinity and no half of a surrogate pair"
            ) from None
        if body is not None and self.method in {"GET", "HEAD"}:
            raise ValueError(f"method: {self.method} sends no json and no form")
        return self

    @property
    def why_once(self) -> str:
        if self.method in IDEMPOTENT:
            return ""
        return f"it may have arrived: no {self.method} is sent twice"

    @cached_property
    def body(self) -> tuple[bytes | None, str]:
        """The body as it is sent, and its content type."""
        if self.json_ is not None:
            text = dumps(self.json_, ensure_ascii=False, allow_nan=False)
            return text.encode(), "application/json"
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
