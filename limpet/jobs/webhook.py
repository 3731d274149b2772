"""Where an app wants to be told how a job ended."""

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from limpet.jobs.fields import Job, PoolName, Url, legible

Event: TypeAlias = Literal["completed", "failed"]


#: What is told of one job at most, in bytes.
BODY_MAX: Final = 65_536


class Hook(BaseModel):
    """A receiver, and the *events* that it is told of: both unless said otherwise."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    url: Url
    events: Annotated[list[Event], Field(min_length=1)] = ["completed", "failed"]


def _hook(value: object) -> Hook:
    """Read a URL or an object; each problem is named by its field in it."""
    if isinstance(value, Hook):
        return value
    if not isinstance(value, str | dict):
        raise ValueError("must be a URL or an object with url and events")  # noqa: TRY004 - pydantic passes a TypeError on
    try:
        return Hook.model_validate({"url": value} if isinstance(value, str) else value)
    except ValidationError as error:
        raise ValueError("; ".join(map(_problem, error.errors()))) from None


def _problem(error: Any) -> str:
    name = error["loc"][0]
    if error["type"] == "extra_forbidden":
        return f"there is no field {legible(str(name))!r} (allowed: url, events)"
    message = error["msg"].removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]}"


#: A job's field: a URL, or ``{"url": …, "events": ["failed"]}``.
Webhook = Annotated[Hook, BeforeValidator(_hook, json_schema_input_type=str | Hook)]


class WebhookJob(Job):
    """One delivery: *body*, as it is, to the URL *to*, about a job of *pool*."""

    to: Url
    body: Annotated[str, Field(max_length=BODY_MAX)]
    pool: PoolName
