"""Files that commands write: whole or not at all, and for nobody else if secret."""

import os
from collections.abc import Iterable
from pathlib import Path

from cli.command import fail
from cli.output import confirm

_SECRET = 0o600
_OPEN = 0o666


def named(path: Path | None) -> Path | None:
    """Return the file that was named, or none where standard output was."""
    return None if path is None or str(path) == "-" else path


def may_write(path: Path, *, yes: bool) -> None:
    """Ask whether a file that is there may be replaced."""
    if path.is_file():
        confirm(f"{path} is there already. Replace it?", yes=yes)


def write(path: Path, lines: Iterable[str], *, secret: bool) -> None:
    """Write *lines*, which have their line breaks.

    A file that was there stays as it is until the new one is whole: it may be the last
    good copy.
    """
    target = path.resolve()
    try:
        if target.exists() and not target.is_file():
            with target.open("w", encoding="utf-8", newline="") as pipe:
                pipe.writelines(lines)
            return
        part = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            _create(part, lines, _SECRET if secret else _OPEN)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        fail(f"--out: cannot write {path} ({error.strerror})")


def _create(path: Path, lines: Iterable[str], mode: int) -> None:
    # The mode is there before the first byte is: nobody can look in meanwhile.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.writelines(lines)
