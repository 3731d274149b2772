"""A file of outcomes, as JSON Lines: added to, and no page of a batch twice."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TextIO

from cli.command import fail
from cli.output import put
from limpet.errors import NoSuchBatch

if TYPE_CHECKING:
    from limpet.client import PageOutcome

#: Every line begins so: one that was not finished is told from what is not ours.
_BEGIN: Final = '{"batch": "'


class Lines:
    """Where lines go, and which pages are there."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._has: set[tuple[str, int]] = set()

    def read(self) -> None:
        """Read what is there; the end of a command that was killed is cut off.

        The command ends if there is anything that no command of ours has written.
        """
        start, number, line = 0, 0, ""
        for number, line in enumerate(iter(self._file.readline, ""), start=1):
            if not line.endswith("\n"):
                break
            self._note(number, line)
            start += len(line.encode())
        if line and not line.endswith("\n"):
            if not (line.startswith(_BEGIN) or _BEGIN.startswith(line)):
                _not_ours(number)
            os.ftruncate(self._file.fileno(), start)

    def add(self, batch: str, page: "PageOutcome") -> None:
        """Write down what became of a page, unless that was done before.

        Raises:
            NotWritten, BrokenPipeError: the file takes no more.
        """
        if (batch, page.index) in self._has:
            return
        self._has.add((batch, page.index))
        about = {k: v for k, v in asdict(page).items() if v is not None}
        del about["final"]
        line = {"batch": batch, "index": page.index, **about}
        put(self._file, json.dumps(line))

    def _note(self, number: int, line: str) -> None:
        try:
            one = json.loads(line)
            self._has.add((one["batch"], one["index"]))
        except (ValueError, TypeError, KeyError):
            _not_ours(number)


def _not_ours(number: int) -> None:
    fail(f"--out: line {number} is none of ours; give another file")


@contextmanager
def adding_to(path: Path | None) -> Iterator[Lines]:
    """Open a file to add to it, or standard output; nobody else can read it."""
    if path is None:
        yield Lines(sys.stdout)
        return
    new = not path.exists()
    try:
        # A pipe, or /dev/stdout, has nothing to be read.
        plain = new or path.is_file()
        how = os.O_RDWR if plain else os.O_WRONLY
        descriptor = os.open(path, how | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        fail(f"--out: cannot write {path} ({error.strerror})")
    mode: Literal["a+", "w"] = "a+" if plain else "w"
    with os.fdopen(descriptor, mode, encoding="utf-8", newline="\n") as file:
        lines = Lines(file)
        if plain:
            file.seek(0)
            try:
                lines.read()
            except UnicodeDecodeError:
                fail("--out: is no text; give another file")
        try:
            yield lines
        except NoSuchBatch:
            if new:
                path.unlink(missing_ok=True)
            raise
