"""What rules find in pages of any kind."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extraction.engine import MAX_OUTPUT
from limpet.errors import ExtractionFailed

Find = Callable[..., Any]

PAGE = """<base href="/x/"><h1> A <b>b</b>
 c</h1><ul><li data-id=1><a href=u>U</a> 1.50<li data-id=two></ul>
<p>first</p><p></p><p>last</p><script>var d = {"p": [1, null]};</script>"""


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("h1", "A b c"),
        ("h1::text", "A"),
        ({"css": "h1", "get": "html"}, "<h1> A <b>b</b>\n c</h1>"),
        ({"css": "h1", "get": "inner_html"}, "A <b>b</b>\n c"),
        ({"css": "h1", "strip": False}, " A b\n c"),
        ("//li/a/@href", "u"),
        ({"css": "a", "attr": "href", "type": "url"}, "http://shop.test/x/u"),
        ({"css": "a", "attr": "id"}, None),
        ({"css": "li::attr(data-id)", "all": True}, ["1", "two"]),
        ({"css": "li", "all": True, "attr": "data-id", "type": "int"}, [1, None]),
        ({"css": "p", "all": True}, ["first", None, "last"]),
        ({"css": "p", "all": True, "limit": 1}, ["first"]),
        ({"css": "i", "all": True}, []),
        ({"css": "i", "default": {"a": [1]}}, {"a": [1]}),
        ({"css": "h1", "type": "int", "default": -1}, -1),
        ({"xpath": "count(//li)", "type": "int"}, 2),
        ("(//p)[3]", "last"),
        ({"xpath": "boolean(//li)"}, True),
        ({"xpath": "//p[has-class('x')]"}, None),
        ({"css": "script", "regex": r'"p": \[(\d)'}, "1"),
        ({"regex": r"\d\.\d+", "type": "float"}, 1.5),
        ({"css": "script::text", "regex": "{.*}",
          "fields": {"p": {"jmespath": "p[0]"}}},
         {"p": 1}),
        ({"css": "li", "fields": {"id": {"attr": "data-id"}, "to": "./a/@href"}},
         {"id": "1", "to": "u"}),
        ({"fields": {"in": {"css": "h1", "fields": {"b": "b"}}}}, {"in": {"b": "b"}}),
    ],
)  # fmt: skip
def test_a_rule_finds_in_html(find: Find, rule: object, value: object) -> None:
    assert find({"it": rule}, PAGE) == {"it": value}


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ({"jmespath": "a[].b", "all": True}, [1, 2.5]),
        ({"jmespath": "a"}, [{"b": 1}, {"b": 2.5}, {}]),
        ({"jmespath": "a", "all": True, "fields": {"b": {"jmespath": "b"}}},
         [{"b": 1}, {"b": 2.5}, {"b": None}]),
        ({"jmespath": "html", "fields": {"x": "b"}}, {"x": "hi"}),
        ({"jmespath": "html", "regex": ">(.*)<"}, "hi"),
        ({"jmespath": "yes", "type": "bool"}, True),
        ({"jmespath": "price", "type": "float", "decimal": ","}, 1299.5),
        ({"jmespath": "nan"}, None),
        ({"jmespath": "huge"}, None),
        ({"jmespath": "length(yes)"}, "failed"),
        ("h1", None),
    ],
)  # fmt: skip
def test_a_rule_finds_in_json(find: Find, rule: object, value: object) -> None:
    page = """{"a": [{"b": 1}, {"b": 2.5}, {}], "html": "<b>hi</b>", "yes": true,
        "price": "1.299,50 EUR", "nan": NaN, "huge": 1e999}"""

    if value == "failed":
        with pytest.raises(ExtractionFailed, match=r"^extract\.it: cannot be used"):
            find({"it": rule}, page, "application/json")
    else:
        assert find({"it": rule}, page, "application/json") == {"it": value}


def test_names_in_xml_are_without_their_namespaces(find: Find) -> None:
    page = """<?xml version="1.0" encoding="latin-1"?><urlset xmlns="http://s"
        xmlns:i="http://i"><url><loc>http://é</loc><i:image i:title="t"/></url>
        </urlset>"""

    found = find(
        {"loc": {"css": "url loc", "all": True}, "title": "//image/@title"},
        page,
        "application/xml",
    )

    assert found == {"loc": ["http://é"], "title": "t"}


def test_xml_reads_no_file_and_expands_no_bomb(find: Find) -> None:
    entities = "".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "boom" * 10}">'
        for n in range(10)
    )
    page = f"""<?xml version="1.0"?><!DOCTYPE a [{entities}
        <!ENTITY file SYSTEM "file:///etc/passwd">]><a><b>&file;</b><c>&e9;</c></a>"""

    found = find({"b": "b", "c": "c"}, page, "text/xml")

    assert len(json.dumps(found)) < 1000
    assert "root:" not in json.dumps(found)


@pytest.mark.parametrize(
    ("text", "content_type", "markup"),
    [
        ('{"a": 1}', "", False),
        ('{"a": 1}', "text/plain; charset=utf-8", False),
        ('{"a": 1}', "application/ld+json", False),
        ('{"a": 1}', "text/html", True),
        ("<p>{}", "", True),
        ("<?xml version='1.0'?><p>x</p>", "", True),
    ],
)
def test_a_page_is_what_its_type_says_or_how_it_begins(
    find: Find, text: str, content_type: str, *, markup: bool
) -> None:
    found = find({"a": "//*"}, text, content_type)

    assert (found["a"] is not None) is markup


def test_json_that_says_it_is_html_is_json_for_jmespath(find: Find) -> None:
    assert find({"a": {"jmespath": "a"}}, '{"a": 1}', "text/html") == {"a": 1}


def test_what_is_required_is_named_where_it_is_missing(find: Find) -> None:
    given = {"i": {"css": "li", "all": True, "fields": {
        "to": {"css": "a", "attr": "href", "required": True}}}}  # fmt: skip

    with pytest.raises(ExtractionFailed, match=r"^extract\.i\[1\]\.to: is required"):
        find(given, PAGE)


def test_a_result_has_an_end(find: Find) -> None:
    page = f"<p>{'x' * (MAX_OUTPUT // 2)}</p>"

    with pytest.raises(
        ExtractionFailed, match=r"^extract\.b: the result would be over"
    ):
        find({"a": "p", "b": "p", "c": "p"}, page)


def test_the_names_of_a_result_count_too(find: Find) -> None:
    fields = {f"{'n' * 60}{number}": "b" for number in range(50)}

    with pytest.raises(ExtractionFailed, match="the result would be over"):
        find({"a": {"css": "i", "all": True, "fields": fields}}, "<i></i>" * 500)


def test_a_list_that_is_too_long_is_no_shorter_list(find: Find) -> None:
    page = "<i>1" * 200 + "<br>" * 10_001

    with pytest.raises(ExtractionFailed, match=r"^extract\.a: more than 10,000"):
        find({"a": {"css": "br", "get": "html", "all": True}}, page)


_ANY: dict[str, object] = {
    "text": "div",
    "node": "p::text",
    "attr": {"css": "a", "attr": "href", "type": "url"},
    "html": {"css": "div", "get": "html", "all": True},
    "inner": {"xpath": "//*", "get": "inner_html", "all": True, "limit": 50},
    "json": {"css": "script::text", "jmespath": "a.b || a[0]"},
    "data": {"jmespath": "@"},
    "number": {"regex": r"\d+", "type": "float", "all": True},
    "whole": {"regex": "(?s).*", "type": "int"},
    "count": {"xpath": "count(//*)", "type": "int"},
    "sub": {"css": "*", "all": True, "fields": {"a": {"attr": "id"}, "t": "./text()"}},
    "flag": {"css": "b", "type": "bool"},
}
_TAGS = st.sampled_from(
    ["<div>", "</div>", "<p", " id=1>", "<a href='//[x'>", "<script>", "</script>", "{",
     '{"a": [1e999, NaN]}', "<!--", "-->", "<![CDATA[", "<?xml?>", "&#0;", "\x00",
     "\ud800",
     "<svg><title>", "<base href='http://['>", "<table><td>", "9" * 400]
)  # fmt: skip


@given(
    st.lists(_TAGS | st.text(max_size=20), max_size=40).map("".join),
    st.sampled_from(["text/html", "application/xml", "application/json", ""]),
)
def test_no_page_breaks_it(find: Find, text: str, content_type: str) -> None:
    found = find(_ANY, text, content_type)

    assert found.keys() == _ANY.keys()
    assert json.loads(json.dumps(found, allow_nan=False).encode()) == found
    assert find(_ANY, text, content_type) == found


@given(st.text(max_size=30) | st.text("0123456789.,-+ €", max_size=20))
def test_a_number_is_a_number_or_none(find: Find, text: str) -> None:
    page = json.dumps({"a": text})

    for decimal in ".,":
        rule = {"jmespath": "a", "type": "float", "decimal": decimal}
        value = find({"n": rule}, page, "application/json")["n"]
        assert value is None or isinstance(value, float)


@pytest.mark.parametrize(
    ("text", "point", "comma"),
    [
        ("£51.77", 51.77, None),
        ("1,299.50 €", 1299.5, None),
        ("1.299,50 €", None, 1299.5),
        ("1,299", 1299.0, 1.299),
        ("5\N{NO-BREAK SPACE}000", 5000.0, 5000.0),
        ("1'000.5", 1000.5, None),
        ("− 3", -3.0, -3.0),  # noqa: RUF001 - the minus of pages
        ("-$4.2", -4.2, None),
        ("1,5", None, 1.5),
        ("3 of 5", 3.0, 3.0),
        ("1.2.3", None, None),
        ("12.", 12.0, 12.0),
        ("none", None, None),
    ],
)
def test_a_number_keeps_to_its_decimal_mark(
    find: Find, text: str, point: float | None, comma: float | None
) -> None:
    rule = {"css": "p", "type": "float"}

    found = find({"p": rule, "c": {**rule, "decimal": ","}}, f"<p>{text}")

    assert found == {"p": point, "c": comma}
