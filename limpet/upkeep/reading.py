"""A hash of Redis, read field by field: what anybody else wrote there stops nothing."""

import json
from collections.abc import Mapping
from typing import Any, Final

from limpet.connection import as_text

#: No count is larger, and no time in ms: so many of these are 285,000 years.
_MOST: Final = 2**53


class Reading:
    """The fields of *row*; *damaged* once one was asked for that cannot be read."""

    def __init__(self, row: Mapping[bytes, bytes], *, damaged: bool = False) -> None:
        self._row = {as_text(name): row[name] for name in row}
        self.damaged = damaged

    def text(self, name: str) -> str:
        return as_text(self._row.get(name, b""))

    def number(self, name: str) -> int:
        """Return a number from 0; 0 of what is none, or not there."""
        try:
            found = int(self.text(name) or 0)
        except ValueError:
            found = -1
        if not 0 <= found <= _MOST:
            self.damaged = True
            return 0
        return found

    def seconds(self, name: str) -> float:
        """Return what is kept in milliseconds."""
        return self.number(name) / 1000

    def numbers(self) -> dict[str, int]:
        """Return all fields as numbers, but for those that are none."""
        found = {name: self.number(name) for name in self._row}
        return {name: number for name, number in found.items() if number}

    def json(self, name: str) -> dict[str, Any]:
        """Return a JSON object, an empty one of what is none."""
        try:
            found = json.loads(self.text(name) or "{}")
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            return found
        self.damaged = True
        return {}
