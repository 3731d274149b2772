"""Where a session was last, with nothing secret in it."""

from typing import Final
from urllib.parse import quote, urlsplit

#: A longer field would turn a small hash into a large one, and double a session's size.
_KEPT: Final = 64


def place(url: str) -> str:
    """Return *url* without what may be secret: user, password, query, fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    where = f"{parts.scheme}://{host}{parts.path}" if host else ""
    if " " in where or not where.isprintable():
        # What breaks a line or a terminal is of no use to whoever reads it.
        where = "".join(map(_visible, where))
    return where.encode()[:_KEPT].decode(errors="ignore")


def _visible(letter: str) -> str:
    if letter != " " and letter.isprintable():
        return letter
    return quote(letter, errors="replace")
