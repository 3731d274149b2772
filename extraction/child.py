"""An extractor: reads pages from standard input and writes what the rules find.

``python -m extraction.child`` is run by `extraction.crew`, with an environment that
has none of our secrets: what parses strangers' pages should know nothing. The kernel
ends it when a page takes too long, whatever it is doing then, and bounds its memory.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydantic import TypeAdapter

from extraction.document import Document, kind_of
from extraction.engine import extract
from extraction.wire import pack, receive, send
from limpet.errors import ExtractionFailed
from limpet.jobs.extraction import Rule, Rules

#: A tree of 10 MB of markup takes about 150 MB, of very short elements 800.
MEMORY: Final = 1024**3
#: What a container may have is written here, by versions 2 and 1 of cgroups.
_CONTAINER: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
#: A page ends after so many times its own time by the clock, too: a job that holds a
#: session's lease is not to lose it.
_AT_LAST: Final = 3
#: Jobs of one kind come with the same rules again and again.
_KNOWN: Final = 128

_RULES: Final[TypeAdapter[dict[str, Rule]]] = TypeAdapter(Rules)


@lru_cache(_KNOWN)
def _rules(text: str) -> dict[str, Rule]:
    return _RULES.validate_python(json.loads(text))


def _answer(head: dict[str, Any], body: bytes, to: BinaryIO) -> bytes:
    text = body.decode(errors="replace")
    page = Document(text, head["url"], kind_of(head["content_type"], text))
    try:
        found = extract(
            _rules(head["rules"]), page, at=lambda path: send(to, path.encode())
        )
        return pack({"found": found})
    except ExtractionFailed as error:
        return pack({"path": error.path, "reason": error.reason})


def serve(pages: BinaryIO, to: BinaryIO) -> None:
    """Answer page by page until there are no more.

    An answer is frames with the paths of the rules, each before it is used, and then
    an empty frame and the result.
    """
    while (head := receive(pages)) is not None and (body := receive(pages)) is not None:
        job = json.loads(head)
        # Its own time: it is not to pay for what others do with the processors.
        signal.setitimer(signal.ITIMER_PROF, job["seconds"])
        signal.setitimer(signal.ITIMER_REAL, _AT_LAST * job["seconds"])
        result = _answer(job, body, to)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        send(to, b"", result)


def memory(container: Iterable[Path] = _CONTAINER) -> int:
    """Return how many bytes one page may take: half of the container at most."""
    said = [file.read_text().strip() for file in container if file.is_file()]
    return min([MEMORY, *(int(one) // 2 for one in said if one.isdigit())])


def main() -> None:
    """Serve the worker that started this."""
    most = memory()
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Nothing that a library prints may get among the frames.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
