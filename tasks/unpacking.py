"""Whether a compressed body came to its end.

Without a length, a connection that broke looks like one that was done. What is in the
body knows better: each of the codings says where it ends. urllib3 looks at that for
zstd alone.
"""

from typing import Any

from urllib3.response import GzipDecoder, GzipDecoderState


def is_whole(raw: Any) -> bool:
    """Whether *raw*, an answer of urllib3 that was read to its end, has all of it."""
    decoder = raw._decoder  # noqa: SLF001 - it tells nobody
    if decoder is None or not raw.tell():
        return True
    return all(map(_is_done, getattr(decoder, "_decoders", [decoder])))


def _is_done(decoder: Any) -> bool:
    if isinstance(decoder, GzipDecoder) and (
        decoder._state == GzipDecoderState.SWALLOW_DATA  # noqa: SLF001 - as above
    ):
        # What follows the end is no gzip: browsers let that be.
        return True
    inner = decoder._obj  # noqa: SLF001 - as above
    return bool(inner.is_finished() if hasattr(inner, "is_finished") else inner.eof)
