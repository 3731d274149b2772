"""What a session carries from job to job: its cookies, as a blob that any worker reads.

The first byte names the coding: ``J`` is JSON, ``Z`` is JSON in zlib.
"""

import json
import zlib
from dataclasses import dataclass, field
from typing import Any, Final

#: Below this zlib saves nothing worth its time.
_COMPRESS_FROM: Final = 512
#: A runaway site must not fill Redis through one session.
MAX_BYTES: Final = 1_000_000

#: One cookie, with the field names of Playwright's ``storage_state``.
Cookie = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SessionState:
    """Cookies in Playwright's shape; *version* grows with every write."""

    version: int = 0
    cookies: list[Cookie] = field(default_factory=list, repr=False)


def encode(cookies: list[Cookie]) -> bytes | None:
    """Pack *cookies*; `None` when they take more than `MAX_BYTES`."""
    plain = json.dumps({"cookies": cookies}, separators=(",", ":")).encode()
    blob = b"J" + plain
    if len(plain) >= _COMPRESS_FROM:
        blob = b"Z" + zlib.compress(plain, 1)
    return blob if len(blob) <= MAX_BYTES else None


def decode(version: int, blob: bytes | None) -> SessionState:
    """Unpack what `encode` packed; no blob means no cookies yet."""
    if not blob:
        return SessionState(version)
    plain = zlib.decompress(blob[1:]) if blob[:1] == b"Z" else blob[1:]
    return SessionState(version, json.loads(plain)["cookies"])
