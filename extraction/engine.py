"""Rules over one page.

The result is JSON, and the same for the same page. How long it takes is bounded by
nobody here: a selector may take the third power of a page's length, a regular
expression an exponential. `extraction.crew` runs it where it can be killed.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from itertools import islice
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from lxml.etree import XPathError

from extraction.document import Document, Markup, inner, load, markup, seen
from extraction.values import convert
from limpet.errors import ExtractionFailed
from limpet.jobs.extraction import MAX_MATCHES, Rule

#: Characters and values of one result: it goes through the broker's Redis.
MAX_OUTPUT: Final = 1024 * 1024

#: Levels of one value: who gets the result reads it with a stack of its own.
_DEEPEST: Final = 100

#: What a rule that compiled may still meet on a page.
_MISFITS: Final = (ValueError, RecursionError, JMESPathError, XPathError)

#: Where a rule looks: an element, a text, or what JSON gave.
Place = Markup | str | Document | Any


def extract(
    rules: Mapping[str, Rule],
    page: Document,
    *,
    at: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Return a value for each of *rules*; *at* is told which one comes next.

    Raises:
        ExtractionFailed: something that is required is not there, or it is too much.
            The text names the rule and repeats nothing of the page.
    """
    work = _Work(page)
    found = {}
    for name, rule in rules.items():
        path = f"extract.{name}"
        at(path)
        try:
            found[name] = work.value(rule, page, path)
        except _MISFITS as error:
            reason = f"cannot be used on this page ({type(error).__name__})"
            raise ExtractionFailed(path, reason) from None
    return found


class _Work:
    def __init__(self, page: Document) -> None:
        self._page = page
        self._left = MAX_OUTPUT

    def value(self, rule: Rule, place: Place, path: str) -> Any:
        if rule.all:
            return self._list(rule, place, path)
        for match in islice(self._matches(rule, place), 1):
            found = self._one(rule, match, path)
            if found is not None:
                return found
        return self._missing(rule, path)

    def _list(self, rule: Rule, place: Place, path: str) -> Any:
        most = rule.limit or MAX_MATCHES + 1
        found = [
            self._one(rule, match, f"{path}[{number}]")
            for number, match in enumerate(islice(self._matches(rule, place), most))
        ]
        if len(found) > MAX_MATCHES:
            raise ExtractionFailed(
                path, f"more than {MAX_MATCHES:,} matches; set limit to keep the first"
            )
        return found or self._missing(rule, path)

    def _missing(self, rule: Rule, path: str) -> Any:
        if rule.required:
            raise ExtractionFailed(path, "is required, and the page has none")
        if rule.all and "default" not in rule.model_fields_set:
            return []
        return self._spent(deepcopy(rule.default), path)

    def _one(self, rule: Rule, match: Place, path: str) -> Any:
        if rule.fields is not None:
            self._spend(sum(len(name) + 4 for name in rule.fields), path)
            return {
                name: self.value(inside, match, f"{path}.{name}")
                for name, inside in rule.fields.items()
            }
        raw = _raw(rule, match)
        if isinstance(raw, str):
            raw = raw.strip() if rule.strip else raw
            if not raw:
                return None
        if rule.type and raw is not None:
            raw = convert(raw, rule.type, decimal=rule.decimal, base=self._page.base)
        return self._spent(raw, path)

    def _spent(self, value: Any, path: str) -> Any:
        value = _fit(value)
        self._spend(len(json.dumps(value)), path)
        return value

    def _spend(self, size: int, path: str) -> None:
        self._left -= size
        if self._left < 0:
            raise ExtractionFailed(
                path, f"the result would be over {MAX_OUTPUT:,} characters"
            )

    def _matches(self, rule: Rule, place: Place) -> Iterator[Place]:
        found: Iterator[Place] = iter([place])
        if rule.css or rule.xpath:
            found = _chosen(rule, place)
        if rule.jmespath:
            found = _searched(rule, found)
        if rule.regex:
            pattern = re.compile(rule.regex)
            found = (hit for one in found for hit in _hits(pattern, one))
        return found


def _chosen(rule: Rule, place: Place) -> Iterator[Place]:
    if isinstance(place, Document):
        place = None if place.kind == "json" else place.markup
    elif isinstance(place, str):
        place = markup(place, "html")
    if isinstance(place, Markup):
        query = place.query(rule.css) if rule.css else str(rule.xpath)
        yield from place.found(query)


def _searched(rule: Rule, places: Iterator[Place]) -> Iterator[Any]:
    wanted = jmespath.compile(rule.jmespath)
    for place in places:
        found = wanted.search(_json(place))
        if rule.all and isinstance(found, list):
            yield from (one for one in found if one is not None)
        elif found is not None:
            yield found


def _json(place: Place) -> Any:
    if isinstance(place, Document):
        return place.data
    if isinstance(place, Markup):
        return load(str(place.root.xpath("string()")))
    return load(place) if isinstance(place, str) else place


def _hits(pattern: re.Pattern[str], place: Place) -> Iterator[str]:
    if isinstance(place, Document):
        place = place.text
    elif isinstance(place, Markup):
        place = str(place.get())
    elif not isinstance(place, str):
        return
    for hit in pattern.finditer(place):
        text = hit[pattern.groups]
        if text is not None:
            yield text


def _raw(rule: Rule, match: Place) -> Any:
    if isinstance(match, Document):
        match = match.data if _is_data(rule, match) else match.markup
    if not isinstance(match, Markup):
        return None if rule.attr else match
    if rule.attr:
        return match.root.get(rule.attr)
    if rule.get in {"html", "inner_html"}:
        return match.get() if rule.get == "html" else inner(match)
    text = seen(match)
    return " ".join(text.split()) if rule.strip else text


def _is_data(rule: Rule, page: Document) -> bool:
    return page.kind == "json" and not rule.attr and not rule.get


def _fit(value: Any, depth: int = 0) -> Any:
    """Return *value* fit for JSON; `None` where it is not."""
    if depth > _DEEPEST:
        raise ValueError
    match value:
        case str():
            value = value.encode(errors="replace").decode()
        case float():
            value = value if math.isfinite(value) else None
        case list():
            value = [_fit(one, depth + 1) for one in value]
        case dict():
            value = {_fit(str(k)): _fit(one, depth + 1) for k, one in value.items()}
        case int() | None:
            pass
        case _:
            value = None
    return value
