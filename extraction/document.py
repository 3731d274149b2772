"""A page as rules look at it: markup by parsel, JSON, or plain text."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, Literal

from lxml.etree import XPath
from parsel import Selector
from parsel.csstranslator import GenericTranslator, HTMLTranslator
from w3lib.html import get_base_url

#: XPaths that are kept compiled: those of some kinds of pages.
_COMPILED: Final = 1000
_PREFIXES: Final = {"set": "http://exslt.org/sets"}
_HTML_CSS: Final = HTMLTranslator()
_XML_CSS: Final = GenericTranslator()

Kind = Literal["html", "xml", "json"]
#: What tells XML from HTML when nobody says what it is.
_XML: Final = re.compile(r"\s*<\?xml(?!.{0,1000}<html)", re.DOTALL | re.IGNORECASE)
#: Script and style have no text that a reader of the page would see.
_SEEN: Final = "descendant::text()[not(parent::script or parent::style)]"


def kind_of(content_type: str, text: str) -> Kind:
    """Tell by the content type, or where it says little by how *text* begins."""
    name = content_type.partition(";")[0].strip().lower()
    if name in {"", "text/plain", "application/octet-stream"}:
        is_json, is_xml = text.lstrip()[:1] in {"{", "["}, bool(_XML.match(text))
    else:
        is_json = name.endswith(("/json", "+json"))
        is_xml = name.endswith(("/xml", "+xml")) and name != "application/xhtml+xml"
    return "json" if is_json else "xml" if is_xml else "html"


class Markup(Selector):
    """parsel's selector, which makes those of its matches one by one.

    A rule mostly wants the first of them.
    """

    def query(self, css: str) -> str:
        """Return the XPath of *css*: in HTML, names have no case."""
        translator = _XML_CSS if self.type == "xml" else _HTML_CSS
        return translator.css_to_xpath(css)

    def found(self, xpath: str) -> Iterator[Any]:
        """Yield elements as `Markup`; texts, numbers and booleans as they are."""
        hits = _compiled(xpath)(self.root)
        for hit in hits if isinstance(hits, list) else [hits]:
            element = hasattr(hit, "tag")
            yield Markup(root=hit, type=self.type) if element else hit


@lru_cache(_COMPILED)
def _compiled(xpath: str) -> XPath:
    return XPath(xpath, namespaces=_PREFIXES, regexp=False, smart_strings=False)


def markup(text: str, kind: Kind) -> Markup:
    """Parse *text* as lxml does with its own bounds on depth and on size of nodes."""
    body = text.encode(errors="replace") or b"<html/>"
    made = Markup(
        body=body,
        encoding="utf-8",
        type="xml" if kind == "xml" else "html",
        huge_tree=False,
    )
    if kind == "xml":
        made.remove_namespaces()
    return made


def load(text: str) -> Any:
    """Return what *text* is as JSON, `None` if it is none."""
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


@dataclass(frozen=True)
class Document:
    """One page; parsed when the first rule needs it, and once."""

    text: str
    url: str
    kind: Kind

    @cached_property
    def markup(self) -> Markup:
        return markup(self.text, self.kind)

    @cached_property
    def data(self) -> Any:
        return load(self.text)

    @cached_property
    def base(self) -> str:
        """The address that others are relative to."""
        if self.kind != "html":
            return self.url
        try:
            return str(get_base_url(self.text[:65_536], self.url))
        except ValueError:
            return self.url


def seen(node: Markup) -> str:
    """Return an element's text, all of it, as it stands there."""
    if node.root.tag in {"script", "style"}:
        return str(_compiled("string()")(node.root))
    return "".join(_compiled(_SEEN)(node.root))


def inner(node: Markup) -> str:
    """Return the markup inside an element."""
    whole = str(node.get())
    start, end = whole.find(">") + 1, whole.rfind("</")
    return whole[start:end] if end >= start else ""
