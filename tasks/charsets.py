"""Text of a page, in the charset that it says it has."""

from typing import Final

from w3lib.encoding import (
    html_body_declared_encoding,
    html_to_unicode,
    http_content_type_encoding,
)

#: Codecs of Python that are no charset of the web. Most of them raise, two give halves
#: of surrogate pairs, and punycode takes an hour for 10 MB, all with the worker's lock.
_NO_CHARSETS: Final = frozenset(
    {
        *("base64", "bz2", "hex", "idna", "punycode", "quopri", "raw-unicode-escape"),
        *("rot-13", "undefined", "unicode-escape", "uu", "zlib"),
    }
)


def decoded(content_type: str, body: bytes) -> str:
    """Return *body* as text, as browsers find its charset.

    That is by its byte order mark, by *content_type*, or by its ``<meta>``; one that is
    none, or of which nothing is said, is UTF-8.
    """
    named = http_content_type_encoding(content_type)
    found = named or html_body_declared_encoding(body) or ""
    if named == "utf-16":
        # Little-endian, says WHATWG's Encoding; to w3lib it is the other one.
        content_type = "text/html; charset=utf-16-le"
    elif found in _NO_CHARSETS or (not named and found.startswith("utf-16")):
        # A page in UTF-16 could not say so in letters of one byte.
        content_type = "text/html; charset=utf-8"
    return html_to_unicode(content_type, body)[1]
