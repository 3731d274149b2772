"""What a job may ask for; checked before anything is done."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from math import inf
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from requests import PreparedRequest
from requests.exceptions import RequestException

from limpet.errors import InvalidJob
from limpet.keys import POOL_NAME, SESSION_ID

#: Longest URL in use by browsers and servers is far below; a bound keeps logs sane.
_URL_MAX: Final = 8192
#: Longest host name (RFC 1035, as text).
_HOST_MAX: Final = 253
_MAX_BYTES: Final = 10 * 1024 * 1024

#: What the patterns allow, in words.
_WORDS: Final = {
    "session": "1 to 128 of the characters a-z A-Z 0-9 _ . @ : + = - ~, and not begin "
    "with ~",
    "pool": "1 to 32 of the characters a-z 0-9 _ -, beginning with a letter or digit",
}


def web_url(url: str) -> str:
    """Return *url* if it can be fetched, else raise ValueError saying what may be."""
    try:
        request = PreparedRequest()
        request.prepare_url(url, None)
        parts = urlsplit(request.url or "")
        host = parts.hostname or ""
        host.encode("idna")  # no label of it is empty or too long
        named = 0 < len(host) <= _HOST_MAX and parts.port != 0
    except (RequestException, ValueError):
        named = False
        parts = urlsplit("")
    if not named or parts.scheme not in {"http", "https"}:
        raise ValueError("must be an http:// or https:// URL with a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not carry a user name or password")
    return url


class ScrapeJob(BaseModel):
    """One page through one session.

    Without *session* the job gets one of its own, which ends with it. *timeout* is in
    seconds and covers the fetch with its redirects; *max_bytes* bounds the decoded
    body, what is beyond is cut off.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    url: Annotated[str, Field(max_length=_URL_MAX), AfterValidator(web_url)]
    session: Annotated[str, Field(pattern=SESSION_ID)] | None = None
    pool: Annotated[str, Field(pattern=POOL_NAME)] = "default"
    timeout: Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)] | None = None
    max_bytes: Annotated[int, Field(ge=1, le=_MAX_BYTES)] = 1024 * 1024

    @classmethod
    def parse(
        cls,
        args: Sequence[object],
        kwargs: Mapping[str, Any],
        *,
        timeout_below: float = inf,
    ) -> Self:
        """Read a task's arguments; *timeout_below* is in seconds.

        Raises:
            InvalidJob: a text that names each wrong field and what is allowed. It
                repeats no value: values may be secret.
        """
        if args:
            raise InvalidJob(
                "give arguments by name, such as kwargs={'url': 'https://…'}"
            )
        try:
            job = cls.model_validate(dict(kwargs))
        except ValidationError as error:
            problems = (_problem(cls, dict(one)) for one in error.errors())
            raise InvalidJob("; ".join(problems)) from None
        if (job.timeout or 0) >= timeout_below:
            raise InvalidJob(
                f"timeout: must be below {timeout_below:g}, which is "
                "LIMPET_VISIBILITY_TIMEOUT_SECONDS of the worker"
            )
        return job


def _problem(model: type[BaseModel], error: Mapping[str, Any]) -> str:
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        near = get_close_matches(name, model.model_fields, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        allowed = ", ".join(model.model_fields)
        return f"{name}: there is no such field{hint} (allowed: {allowed})"
    if error["type"] == "string_pattern_mismatch":
        return f"{name}: must be {_WORDS[name]}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]}"
