"""What fields of jobs have in common: their types, and how they are checked."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from math import inf
from typing import Annotated, Any, Final, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from requests import PreparedRequest
from requests.exceptions import RequestException
from urllib3.util import parse_url

from limpet.errors import InvalidJob
from limpet.keys import POOL_NAME, SESSION_ID

#: Longest URL in use by browsers and servers is far below; a bound keeps logs sane.
URL_MAX: Final = 8192
#: Longest host name (RFC 1035, as text).
_HOST_MAX: Final = 253
#: What no host name may have (WHATWG URL, forbidden domain code points): libraries do
#: with it what they like.
_NO_NAME: Final = re.compile(r"[\x00-\x20#%/:<>?@\[\\\]^|\x7f]")
MAX_BYTES: Final = 10 * 1024 * 1024

#: What Celery takes beside a job's arguments: fields of the message.
_OF_THE_MESSAGE: Final = frozenset(
    {"countdown", "eta", "expires", "priority", "queue", "task_id"}
)
#: Problems of one job that are told: with 1,000 URLs there may be as many.
_MOST: Final = 10
#: What stands for what is not shown.
HIDDEN: Final = "…"
#: A name that is not ours, in a text for people.
_NAME: Final = re.compile(r"[\w-]{0,60}")
#: That of a rule, which names what is in the result: ``og:title``.
_RULE: Final = re.compile(r"\w[\w .:-]{0,59}")
#: What the patterns allow, in words.
_WORDS: Final = {
    "session": "1 to 128 of the characters a-z A-Z 0-9 _ . @ : + = - ~, and not begin "
    "with ~",
    "pool": "1 to 32 of the characters a-z 0-9 _ -, beginning with a letter or digit",
    "country": "two letters, such as DE (ISO 3166)",
    "strategy": "a strategy's name, such as round_robin: 1 to 32 of the characters a-z "
    "0-9 _, beginning with a letter",
    "locale": "a language tag, such as de-DE",
    "timezone": "a name of the IANA database, such as Europe/Berlin",
    "user_agent": "1 to 256 characters of ASCII without line breaks",
    "tags": "1 to 64 of the characters a-z A-Z 0-9 _ . -",
}


@lru_cache(2048)
def normal_url(url: str) -> str:
    """Return *url* as requests sends it; it is asked for when a job is read, and again.

    Raises `ValueError` or requests' `RequestException` where it cannot be sent.
    """
    request = PreparedRequest()
    request.prepare_url(url, None)
    # Of the URL as it was given: requests leaves that one out, and asks another.
    if parse_url(url.lstrip()).port == 0:
        raise ValueError
    return request.url or ""


def web_url(url: str) -> str:
    """Return *url* if it can be fetched, else raise ValueError saying what may be."""
    try:
        parts = urlsplit(normal_url(url))
        host = parts.hostname or ""
        host.encode("idna")  # no label of it is empty or too long
        known = ":" in host or not _NO_NAME.search(host)  # an address has colons
        named = known and 0 < len(host) <= _HOST_MAX
    except (RequestException, ValueError):
        named = False
        parts = urlsplit("")
    if not named or parts.scheme not in {"http", "https"}:
        raise ValueError("must be an http:// or https:// URL with a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not carry a user name or password")
    return url


Url = Annotated[str, Field(max_length=URL_MAX), AfterValidator(web_url)]
SessionId = Annotated[str, Field(pattern=SESSION_ID)]
PoolName = Annotated[str, Field(pattern=POOL_NAME)]
#: Seconds of one fetch, redirects and all.
Timeout = Annotated[float, Field(gt=0, le=300, allow_inf_nan=False)]


class Job(BaseModel):
    """What every job has."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

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
            found = [_problem(cls, dict(one)) for one in error.errors()]
            rest = len(found) - _MOST
            more = [f"and {rest} more"] if rest > 0 else []
            raise InvalidJob("; ".join([*found[:_MOST], *more])) from None
        if (getattr(job, "timeout", None) or 0) >= timeout_below:
            raise InvalidJob(
                f"timeout: must be below {timeout_below:g}, which is "
                "LIMPET_VISIBILITY_TIMEOUT_SECONDS of a worker on the stock transport"
            )
        return job

    @property
    def sent(self) -> dict[str, Any]:
        """The job as a message has it: JSON values, of the fields that were given."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _problem(model: type[BaseModel], error: Mapping[str, Any]) -> str:
    name = _path(error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{name}: {_unknown(model, error['loc'])}"
    first = name.partition(".")[0]
    if error["type"] == "string_pattern_mismatch" and first in _WORDS:
        return f"{name}: must be {_WORDS[first]}"
    if error["type"] == "union_tag_invalid":
        about = error["ctx"]
        return (
            f"{name}: {about['discriminator']} must be one of {about['expected_tags']}"
        )
    message = error["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    # What is about several fields names them itself.
    return f"{name}: {message}" if name else message


def _unknown(model: type[BaseModel], where: Sequence[object]) -> str:
    name = str(where[-1])
    if len(where) == 1 and name in _OF_THE_MESSAGE:
        return (
            "is of the message, not of the job: "
            f"send_task('scrape', kwargs={{…}}, {name}=…)"
        )
    found = [model]
    for part in where[:-1]:
        found = _inside(found, str(part))
    if len(found) != 1:
        return "there is no such field"
    fields = [field.alias or key for key, field in found[0].model_fields.items()]
    near = get_close_matches(name, fields, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"there is no such field{hint} (allowed: {', '.join(fields) or 'none'})"


def _inside(models: list[type[BaseModel]], part: str) -> list[type[BaseModel]]:
    """Return what *part* of an error's place leads to, from what came before it."""
    if len(models) == 1 and (field := models[0].model_fields.get(part)):
        return _models(field.annotation)
    # A number of a list leads to all that may be in it, a tag to the one that has it.
    tagged = [
        one
        for one in models
        if any(part in get_args(f.annotation) for f in one.model_fields.values())
    ]
    return tagged or models


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for part in get_args(annotation) for one in _models(part)]


def _path(where: Sequence[object]) -> str:
    """Return ``extract.price.css``; what a dictionary is wrong in has a key of ours."""
    parts = [str(part) for part in where if part != "[key]"]
    rules = parts[:1] == ["extract"]
    known = (
        part if rules and _RULE.fullmatch(part) else legible(part) for part in parts
    )
    return ".".join(known)


def legible(name: str) -> str:
    """Return *name* if it looks like one; what was put there by mistake may be secret.

    ``?token=…`` comes of a query string that was given where a field was wanted.
    """
    return name if _NAME.fullmatch(name) else HIDDEN
