"""What to take out of a page: rules as JSON, checked before anything is fetched.

A rule is a CSS selector, an XPath, or an object of the options of `Rule`. What only
shows when a selector is compiled is found here too, in `limpet.jobs.selectors`.
"""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue

from limpet.jobs import selectors

#: Rules within rules; a page's structure has seldom more than three levels of lists.
MAX_DEPTH: Final = 5
#: Rules of one job, nested ones included.
MAX_RULES: Final = 200
#: Matches of one rule: more is a crawl's result, not a page's.
MAX_MATCHES: Final = 10_000
_MAX_DEFAULT: Final = 10_000
#: An XPath can begin so, a CSS selector cannot.
_XPATH_BEGINS: Final = ("/", "./", "../", "(")

#: What a field of the result may be called.
FieldName = Annotated[str, Field(pattern=r"^[\w][\w .:@/+-]{0,63}$")]
_Selector = Annotated[str, Field(min_length=1, max_length=1000)]


class Rule(BaseModel):
    """One value, or with *all* a list of them.

    Steps, in this order, each of them optional: *css* or *xpath* choose in markup,
    *jmespath* in JSON, *regex* in text; then *fields* are looked for inside each
    match, or the match itself is the value: an element's *attr*, or as *get* says its
    text (if nothing is said), its ``html`` or its ``inner_html``.

    *type* converts, *decimal* is the decimal mark of numbers. A value that is not
    there, is empty or cannot be converted is *default*; if it is *required*, the job
    fails. *strip* removes white space around texts, and inside those of elements
    leaves one space.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    css: Annotated[_Selector, AfterValidator(selectors.css)] | None = None
    xpath: Annotated[_Selector, AfterValidator(selectors.xpath)] | None = None
    jmespath: Annotated[_Selector, AfterValidator(selectors.jmes)] | None = None
    regex: Annotated[_Selector, AfterValidator(selectors.regex)] | None = None
    all: bool = False
    limit: Annotated[int, Field(ge=1, le=MAX_MATCHES)] | None = None
    fields: "Annotated[dict[FieldName, Rule], Field(min_length=1)] | None" = None
    attr: Annotated[str, Field(pattern=r"^[^\s\"'<>/=]{1,100}$")] | None = None
    get: Literal["text", "html", "inner_html"] | None = None
    type: Literal["str", "int", "float", "bool", "url"] | None = None
    decimal: Literal[".", ","] = "."
    default: JsonValue = None
    required: bool = False
    strip: bool = True

    @model_validator(mode="before")
    @classmethod
    def _short(cls, rule: object) -> object:
        if isinstance(rule, str):
            return {"xpath" if rule.startswith(_XPATH_BEGINS) else "css": rule}
        if not isinstance(rule, Mapping):
            # Not TypeError: pydantic would let that through.
            raise ValueError("must be a selector or an object")  # noqa: TRY004
        if unknown := sorted(map(str, rule.keys() - cls.model_fields.keys())):
            near = get_close_matches(unknown[0], cls.model_fields, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            allowed = ", ".join(cls.model_fields)
            raise ValueError(
                f"there is no option {unknown[0][:40]!r}{hint} (allowed: {allowed})"
            )
        return rule

    @field_validator("default")
    @classmethod
    def _small(cls, value: JsonValue) -> JsonValue:
        try:
            length = len(json.dumps(value, allow_nan=False))
        except ValueError:
            raise ValueError("must have no NaN and no infinity") from None
        if length > _MAX_DEFAULT:
            raise ValueError(f"must be at most {_MAX_DEFAULT:,} characters of JSON")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        given = self.model_fields_set
        if not given & {"css", "xpath", "jmespath", "regex", "fields", "attr", "get"}:
            raise ValueError("must have css, xpath, jmespath, regex or fields")
        for one, other, why in _CONFLICTS:
            if {one, other} <= given:
                raise ValueError(f"{one} and {other} cannot be together: {why}")
        if given & {"attr", "get"} and "::" in (self.css or ""):
            raise ValueError("attr and get need an element: leave out ::text or ::attr")
        if self.limit is not None and not self.all:
            raise ValueError("limit is for lists: add all")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: Any, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        """Say that a text is a rule too."""
        made = handler.resolve_ref_schema(handler(schema))
        whole = dict(made)
        made.clear()
        short = {"type": "string", "description": "A CSS selector, or an XPath."}
        made["anyOf"] = [short, whole]
        return made


_CONFLICTS: Final = (
    ("css", "xpath", "choose one"),
    ("attr", "get", "choose one"),
    ("required", "default", "what is required has no default"),
    *(("fields", name, "fields make an object") for name in ("attr", "get", "type")),
    *(
        (name, by, "that is no element")
        for name in ("attr", "get")
        for by in ("jmespath", "regex")
    ),
)


def _bounded(rules: object) -> object:
    """Refuse what is too much before anything recursive looks at it."""
    left, level, depth = MAX_RULES, [rules], 0
    while level:
        depth += 1
        found = [
            rule
            for fields in level
            if isinstance(fields, Mapping)
            for rule in fields.values()
        ]
        left -= len(found)
        if left < 0:
            raise ValueError(f"must be at most {MAX_RULES} rules")
        level = [one["fields"] for one in found if _nests(one)]
        if level and depth == MAX_DEPTH:
            raise ValueError(f"must be at most {MAX_DEPTH} levels of fields")
    return rules


def _nests(rule: object) -> bool:
    return isinstance(rule, Mapping) and "fields" in rule


#: The rules of a job, by the names that the result will have.
Rules = Annotated[dict[FieldName, Rule], Field(min_length=1), BeforeValidator(_bounded)]


def plain(rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Return *rules* as JSON again, without what was not said."""
    return {
        name: rule.model_dump(mode="json", exclude_unset=True)
        for name, rule in rules.items()
    }
