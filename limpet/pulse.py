"""A sign of life: a file that is touched, and a health check that looks at its age.

A check that asked over the broker, as ``celery inspect ping`` does, would start an app
each time: seconds of a processor, in each container, every few seconds. This one takes
a twentieth of one, and says as much: the loop turns, and has its broker.
"""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

#: Seconds between two touches.
EVERY: Final = 5.0
#: Seconds after which nobody is taken to be at work: a few touches may come late.
_STALE: Final = 30.0


def tell(file: Path | None) -> None:
    """Touch *file*; one that cannot be written is old, which says enough."""
    if file:
        with suppress(OSError):
            file.touch()


def problem(file: Path) -> str:
    """Say what is wrong with *file*; nothing, if it is fresh."""
    try:
        age = time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return f"{file}: not there yet"
    return f"{file}: {age:.0f} s old" if age > _STALE else ""


def main() -> None:
    """End with 1 and a line when the process beside this one is not at work."""
    # Not from the settings: they take half a second to read.
    name = os.environ.get("LIMPET_PULSE_FILE")
    found = problem(Path(name)) if name else "LIMPET_PULSE_FILE: not set"
    sys.exit(found or 0)


if __name__ == "__main__":
    main()
