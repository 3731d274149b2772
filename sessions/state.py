"""What a session carries from job to job, as a blob that any worker reads.

The first byte names the coding: ``J`` is JSON, ``Z`` is JSON in zlib; small letters
say that it is sealed besides (Fernet, which names its key itself).
"""

import json
import zlib
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Self, TypedDict

from limpet.errors import StateUnreadable
from limpet.sealing import Sealer

#: Below this zlib saves nothing worth its time.
_COMPRESS_FROM: Final = 512
#: What states are full of, for zlib to refer to: a seventh less. Of the coding ``Z``:
#: whoever changes it needs another letter.
_WORDS: Final = (
    b'{"origins":[{"origin":"https://www.","localStorage":[{"name":"","value":""}]}],'
    b'"headers":{"Accept-Language":"en-US,en;q=0.9"},"user_agent":"Mozilla/5.0 (","cook'
    b'ies":[{"name":"session_id","value":"","domain":".www.example.com","path":"/","exp'
    b'ires":-1,"httpOnly":false,"secure":false,"sameSite":"Strict"},{"name":"_ga","valu'
    b'e":"GA1.1.","domain":".","path":"/","expires":17,"httpOnly":true,"secure":true,"s'
    b'ameSite":"None"},"httpOnly":false,"secure":true,"sameSite":"Lax"},{"name":"'
)
#: A runaway site must not fill Redis through one session.
MAX_BYTES: Final = 1_000_000
#: Unpacked: what compresses a thousandfold would fill a worker's memory instead.
MAX_PLAIN: Final = 10_000_000

#: One cookie, with the field names of Playwright's ``storage_state``.
Cookie = dict[str, Any]


class StatePatch(TypedDict, total=False):
    """The parts of a state to replace; what is absent stays."""

    cookies: list[Cookie]
    origins: list[dict[str, Any]]
    headers: dict[str, str]
    user_agent: str
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SessionState:
    """What is kept of a session; *version* grows with every write.

    *cookies* and *origins* (local storage) are in Playwright's shape; *headers* and
    *user_agent* are sent with each request; *metadata* is the user's own, any JSON.
    """

    version: int = 0
    cookies: list[Cookie] = field(default_factory=list, repr=False)
    origins: list[dict[str, Any]] = field(default_factory=list, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    user_agent: str = ""
    metadata: dict[str, Any] = field(default_factory=dict, repr=False)

    def patched(self, patch: StatePatch) -> Self:
        return replace(self, **patch)


def encode(state: SessionState, sealer: Sealer) -> bytes | None:
    """Pack *state*; `None` when it takes more than `MAX_BYTES` or `MAX_PLAIN`."""
    parts = {name: part for name, part in asdict(state).items() if part}
    parts.pop("version", None)
    plain = json.dumps(parts, separators=(",", ":")).encode()
    kind = b"J"
    if len(plain) > MAX_PLAIN:
        return None
    if len(plain) >= _COMPRESS_FROM:
        packer = zlib.compressobj(level=1, zdict=_WORDS)
        kind, plain = b"Z", packer.compress(plain) + packer.flush()
    if sealer.active:
        kind, plain = kind.lower(), sealer.seal_bytes(plain)
    return kind + plain if len(plain) < MAX_BYTES else None


def decode(version: int, blob: bytes | None, sealer: Sealer) -> SessionState:
    """Unpack what `encode` packed; no blob means that nothing is kept yet.

    Raises:
        ConfigurationError: it is sealed, and no key of ours opens it.
        StateUnreadable: it is none that this version wrote.
    """
    if not blob:
        return SessionState(version)
    kind, plain = blob[:1], blob[1:]
    if kind in b"jz":
        plain = sealer.open_bytes(plain)
    try:
        if kind in b"Zz":
            plain = zlib.decompressobj(zdict=_WORDS).decompress(plain, MAX_PLAIN)
        return SessionState(version, **json.loads(plain))
    except (zlib.error, ValueError, TypeError, RecursionError):
        raise StateUnreadable from None


def sealed_anew(blob: bytes, sealer: Sealer) -> bytes:
    """Seal what `encode` packed under the first key; itself, where it is so already.

    Raises:
        ConfigurationError: it is sealed, and no key of ours opens it.
        StateUnreadable: it is none that this version wrote.
    """
    kind, plain = blob[:1], blob[1:]
    if kind not in {b"J", b"Z", b"j", b"z"}:
        raise StateUnreadable
    if kind in b"jz":
        if sealer.newest(plain):
            return blob
        plain = sealer.open_bytes(plain)
    return kind.lower() + sealer.seal_bytes(plain)
