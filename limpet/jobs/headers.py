"""Which request headers a job may set."""

import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator, Field

#: A token (RFC 9110, section 5.6.2).
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
#: What a header can hold: no control character but the tab (section 5.5).
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8192}")
_MOST: Final = 64
#: Headers of the connection and of the proxy: the fetcher's own. A job that set them
#: could log in to the proxy as somebody else, or smuggle a second request.
RESERVED: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def reserved(name: str) -> bool:
    """Whether *name*, in lower case, is for the fetcher alone."""
    return name in RESERVED or name.startswith("proxy-")


def sendable(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return *headers* if they can be sent.

    Raises:
        ValueError: naming the header, never its value.
    """
    if len(headers) > _MOST:
        raise ValueError(f"must have at most {_MOST} entries")
    seen = set()
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ValueError("must have names of letters, digits and - alone")
        low = name.lower()
        if reserved(low):
            raise ValueError(f"must not set {low}: that is the fetcher's own")
        if low in seen:
            raise ValueError(f"must set {low} once")
        seen.add(low)
        if not _VALUE.fullmatch(value):
            raise ValueError(
                f"must have values of one line of Latin-1 text, up to 8192: see {low}"
            )
    return headers


Headers = Annotated[dict[str, str], Field(repr=False), AfterValidator(sendable)]
