"""Where a session was last, with nothing secret in it."""

from typing import Final
from urllib.parse import urlsplit

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
    return where.encode()[:_KEPT].decode(errors="ignore")
