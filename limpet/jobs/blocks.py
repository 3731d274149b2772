"""What a job, or a domain, takes for a block: rules on top of what is known anyway."""

import json
from pathlib import Path
from typing import Annotated, Any, Final, Self

import re2
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

#: Bodies are searched this far; what blocks says so early.
SEARCHED: Final = 65_536
_MOST: Final = 50
_LONGEST: Final = 200


def _pattern(text: str) -> str:
    try:
        compiled(text)
    except re2.error:
        raise ValueError(
            "must be a regular expression without look-around and back-references"
        ) from None
    return text


def compiled(pattern: str) -> Any:
    """Compile *pattern* with RE2, whose time is linear whatever the page holds.

    Raises:
        re2.error: RE2 does not take it.
    """
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = 1 << 20
    return re2.compile(pattern, options)


#: Sites use codes that no standard knows, such as 999.
Status = Annotated[int, Field(ge=100, le=999)]
Text = Annotated[str, Field(min_length=3, max_length=_LONGEST)]
Pattern = Annotated[
    str, Field(min_length=1, max_length=_LONGEST), AfterValidator(_pattern)
]


class BlockRules(BaseModel):
    """Rules on top of the built-in detection, which *detect* can switch off.

    An answer is a block with one of *statuses*, or with one of *substrings* or
    *regexes* in the first 64 KB of its text, whatever their case. One with one of
    *not_statuses* is none by its status; *not_substrings* are of pages that are none
    at all, whatever else they hold.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    detect: bool = True
    statuses: Annotated[tuple[Status, ...], Field(max_length=_MOST)] = ()
    not_statuses: Annotated[tuple[Status, ...], Field(max_length=_MOST)] = ()
    substrings: Annotated[tuple[Text, ...], Field(max_length=_MOST)] = ()
    not_substrings: Annotated[tuple[Text, ...], Field(max_length=_MOST)] = ()
    regexes: Annotated[tuple[Pattern, ...], Field(max_length=_MOST)] = ()

    def over(self, base: Self) -> Self:
        """Return rules with those of *base* too; where the two differ, these hold."""
        statuses = set(base.statuses) - set(self.not_statuses) | set(self.statuses)
        spared = set(base.not_statuses) - set(self.statuses) | set(self.not_statuses)
        return self.model_copy(
            update={
                "detect": self.detect and base.detect,
                "statuses": tuple(sorted(statuses)),
                "not_statuses": tuple(sorted(spared)),
                "substrings": self.substrings + base.substrings,
                "not_substrings": self.not_substrings + base.not_substrings,
                "regexes": self.regexes + base.regexes,
            }
        )


_BOOK: Final = TypeAdapter(dict[str, BlockRules])


def read_rules(text: str) -> dict[str, BlockRules]:
    """Read rules per domain from JSON, or from a file of it; ``*`` is for all.

    Raises:
        ValueError: naming the domain and the field that is wrong.
    """
    if not text:
        return {}
    if not text.lstrip().startswith("{"):
        try:
            text = Path(text).read_text("utf-8")
        except (OSError, ValueError):
            raise ValueError("must be JSON, or a file of it that is there") from None
    try:
        rules = _BOOK.validate_python(json.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        what = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"must be rules per domain; {place}: {what}") from None
    except (ValueError, RecursionError):
        raise ValueError("must be JSON: rules per domain") from None
    return {domain.lower(): one for domain, one in rules.items()}
