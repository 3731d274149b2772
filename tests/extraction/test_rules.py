"""Rules are checked, and refused by their place, before anything is fetched."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limpet.errors import InvalidJob
from limpet.jobs import Rule
from limpet.jobs.extraction import plain

Parse = Callable[[object], dict[str, Rule]]


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ({"a": "li["}, "extract.a.css: is no CSS selector"),
        ({"a": {"css": "li:nope"}}, "extract.a.css: is no CSS selector"),
        ({"a": "//li["}, "extract.a.xpath: is no XPath"),
        ({"a": "//li[nope(1)]"}, "extract.a.xpath: there is no function nope()"),
        ({"a": "//a[re:test(@x, 'y')]"}, "use regex for that"),
        ({"a": "//x:a"}, "extract.a.xpath: names are without their namespaces"),
        ({"a": "//a[. = $v]"}, "extract.a.xpath: must have no variables"),
        ({"a": {"jmespath": "a["}}, "extract.a.jmespath: is no JMESPath"),
        ({"a": {"regex": "("}}, "extract.a.regex: is no regular expression"),
        ({"a": {"regex": "(a)(b)"}}, "extract.a.regex: must have at most one"),
        ({"a": {"css": "b", "xpath": "//b"}}, "extract.a: css and xpath cannot"),
        ({"a": {"css": "b", "fields": {}, "get": "html"}}, "extract.a.fields: "),
        ({"a": {"css": "b::text", "attr": "x"}}, "extract.a: attr and get need"),
        ({"a": {"css": "b", "limit": 2}}, "extract.a: limit is for lists"),
        ({"a": {"css": "b", "required": True, "default": 1}}, "extract.a: required"),
        ({"a": {"css": "b", "type": "date"}}, "extract.a.type: "),
        ({"a": {"css": "b", "default": float("nan")}}, "extract.a.default: must"),
        ({"a": {"cs": "b"}}, "extract.a: there is no option 'cs'; did you mean 'css'?"),
        ({"og:title 2": {"cs": "b"}}, "extract.og:title 2: there is no option 'cs'"),
        ({"a": {}}, "extract.a: must have css"),
        ({"a": 1}, "extract.a: must be a selector or an object"),
        ({"": "b"}, "extract.: "),
        ({}, "extract: "),
        ("h1", "extract: "),
        (
            {"a": {"css": "b", "fields": {"c": {"css": "d", "fields": {"e": "f["}}}}},
            "extract.a.fields.c.fields.e.css: is no CSS selector",
        ),
    ],
)
def test_a_rule_that_cannot_be_is_named_by_its_place(
    parse: Parse, rules: object, told: str
) -> None:
    with pytest.raises(InvalidJob) as refusal:
        parse(rules)

    assert told in str(refusal.value)


def test_rules_are_not_too_many(parse: Parse) -> None:
    with pytest.raises(InvalidJob, match="at most 200 rules"):
        parse({f"f{n}": {"css": "a", "fields": {"b": "c"}} for n in range(101)})


def test_rules_are_not_too_deep(parse: Parse) -> None:
    given: dict[str, Any] = {"css": "a"}
    for _ in range(10_000):
        given = {"css": "a", "fields": {"b": given}}

    with pytest.raises(InvalidJob, match="at most 5 levels"):
        parse({"a": given})


def test_rules_are_the_same_after_a_trip_as_json(parse: Parse) -> None:
    given = {"a": "h1", "b": {"css": "li", "all": True, "fields": {"c": "./b"}}}
    made = parse(given)

    assert parse(plain(made)) == made


def test_the_schema_allows_the_short_form() -> None:
    made = Rule.model_json_schema()

    assert {"type": "string"}.items() <= made["$defs"]["Rule"]["anyOf"][0].items()


def test_a_job_without_rules_imports_no_parser() -> None:
    program = "import limpet.jobs, sys; print({'lxml', 'parsel'} & sys.modules.keys())"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "set()"


_PARTS = [
    *(
        "a",
        "*",
        "::text",
        "::attr(",
        ":not(",
        ":nth-child(",
        "2n+1",
        ")",
        "[",
        "]",
        "=",
    ),
    *('"', "'", "//", "@", "|", ",", ">", "~", "#", ".", "count(", "set:", "(?", "{"),
    *("}", "+", "\\", "`", "&", "$", " ", "\x00", chr(0xD800), "9" * 30, "(" * 9),
    "{9999999999}",
]
_SELECTORS = st.text(max_size=30) | st.lists(st.sampled_from(_PARTS), max_size=15).map(
    "".join
)
_OPTIONS = st.sampled_from([*Rule.model_fields, "nope"])
_RULES = st.recursive(
    _SELECTORS | st.none() | st.integers() | st.floats(),
    lambda inside: (
        st.dictionaries(_OPTIONS, inside | st.booleans(), max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b c"]), inside, max_size=2)
        | st.lists(inside, max_size=2)
    ),
    max_leaves=8,
)


def refusal_of(parse: Parse, rules: object) -> str:
    """Return what is told of *rules* that are refused."""
    try:
        parse(rules)
    except InvalidJob as refused:
        return str(refused)
    return ""


@settings(max_examples=500)
@given(_RULES)
def test_whatever_comes_is_rules_or_one_clear_error(parse: Parse, rule: object) -> None:
    refused = refusal_of(parse, {"it": rule})

    assert not refused or refused.startswith("extract.it")


@settings(max_examples=500)
@given(st.sampled_from(["css", "xpath", "jmespath", "regex"]), _SELECTORS)
def test_a_selector_compiles_or_is_refused(
    parse: Parse, option: str, selector: str
) -> None:
    refused = refusal_of(parse, {"it": {option: selector}})

    assert not refused or refused.startswith(f"extract.it.{option}: ")
