"""Whether a selector can be used, said in one line that does not repeat it.

What compiles them is imported when the first one comes: most jobs have none, and apps
that only enqueue should start fast.
"""

# ruff: noqa: PLC0415 - see above
import re
import warnings
from contextlib import AbstractContextManager
from typing import Final

_LITERAL: Final = re.compile(r"\"[^\"]*\"|'[^']*'")
_CALL: Final = re.compile(r"([\w:-]+)\s*\(")
_PREFIX: Final = re.compile(r"(?<![\w:-])([A-Za-z_][\w.-]*):(?!:)")
#: XPath 1.0, parsel's own, EXSLT's sets, and what only looks like a call. EXSLT's
#: regular expressions are not among them: *regex* is for that.
_FUNCTIONS: Final = re.compile(
    "last|position|count|id|local-name|namespace-uri|name|string|concat|starts-with"
    "|contains|substring-before|substring-after|substring|string-length"
    "|normalize-space|translate|boolean|not|true|false|lang|number|sum|floor|ceiling"
    "|round|has-class|set:(difference|distinct|has-same-node|intersection|leading"
    "|trailing)|text|node|comment|processing-instruction|and|or|div|mod"
)


def css(selector: str) -> str:
    """Return *selector*, or raise ValueError saying why it cannot be one."""
    from cssselect.parser import SelectorError
    from cssselect.xpath import ExpressionError
    from parsel.csstranslator import HTMLTranslator

    try:
        xpath_of = HTMLTranslator().css_to_xpath(selector)
    except (SelectorError, ExpressionError, RecursionError) as error:
        raise ValueError(f"is no CSS selector: {_reason(error)}") from None
    _parse(xpath_of)
    return selector


def xpath(expression: str) -> str:
    """Return *expression*, or raise ValueError saying why it cannot be used."""
    _parse(expression)
    bare = _LITERAL.sub("''", expression)
    if "$" in bare:
        raise ValueError("must have no variables")
    for called in _CALL.findall(bare):
        # child::text() is an axis and a test.
        name = called.rpartition("::")[2]
        if not _FUNCTIONS.fullmatch(name):
            hint = "; use regex for that" if name.startswith("re:") else ""
            raise ValueError(f"there is no function {name[:40]}(){hint}")
    if [prefix for prefix in _PREFIX.findall(bare) if prefix != "set"]:
        raise ValueError("names are without their namespaces: leave out the prefix")
    return expression


def jmes(expression: str) -> str:
    """Return *expression*, or raise ValueError saying why it cannot be one."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        with _quietly():
            jmespath.compile(expression)
    except (JMESPathError, RecursionError, ValueError) as error:
        raise ValueError(f"is no JMESPath expression: {_reason(error)}") from None
    return expression


def regex(pattern: str) -> str:
    """Return *pattern*, or raise ValueError saying why it cannot be one."""
    try:
        with _quietly():
            groups = re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is no regular expression: {_reason(error)}") from None
    if groups > 1:
        raise ValueError(
            "must have at most one capturing group: write (?:…) for the others"
        )
    return pattern


def _quietly() -> AbstractContextManager[object]:
    # What is only out of fashion is no mistake, and a worker's log no place to say so.
    return warnings.catch_warnings(action="ignore")


def _parse(expression: str) -> None:
    from lxml import etree

    try:
        etree.XPath(expression)
    except (etree.XPathError, ValueError) as error:
        raise ValueError(f"is no XPath: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Return the first line of what is wrong, and not all of the expression."""
    text = str(error).partition("\n")[0]
    return text[:120] or type(error).__name__
