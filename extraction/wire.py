"""How a worker and its extractors talk: a length of four bytes, then so many."""

import json
import struct
from collections.abc import Mapping
from typing import IO, Any, Final

_LENGTH: Final = struct.Struct(">I")


def send(stream: IO[bytes], *frames: bytes) -> None:
    stream.write(b"".join(part for one in frames for part in _parts(one)))
    stream.flush()


def _parts(frame: bytes) -> tuple[bytes, bytes]:
    return _LENGTH.pack(len(frame)), frame


def receive(stream: IO[bytes]) -> bytes | None:
    """Return the next frame, `None` when there is no more to come."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    size = _LENGTH.unpack(head)[0]
    frame = stream.read(size)
    return frame if len(frame) == size else None


def pack(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False).encode()
