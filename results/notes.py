"""What a job of many pages has done so far, for whoever goes on with it."""

import json
from collections.abc import Mapping
from typing import Any

from redis import Redis

from limpet.connection import STORE_ERRORS, store_error
from limpet.keys import Keys
from limpet.scripts import Script

_NOTE = Script("results", "note")


class NotesStore:
    """The notes of one job; raises `StoreUnavailable` when Redis does not do its work.

    A note is JSON, sealed by nobody: it is what the result will hold.
    """

    def __init__(self, client: Redis, pool: str, task: str) -> None:
        self._client = client
        self._key = Keys(pool).notes + task

    def load(self) -> dict[int, dict[str, Any]]:
        """Return what is noted, by item."""
        try:
            found: Any = self._client.hgetall(self._key)
        except STORE_ERRORS as error:
            raise store_error(error) from None
        return {int(item): json.loads(note) for item, note in found.items()}

    def add(self, notes: Mapping[int, str], *, keep: float) -> int:
        """Note pages, where there is no note yet; return how many there are.

        All notes are kept for *keep* seconds from now.
        """
        flat = [part for pair in notes.items() for part in pair]
        try:
            found = _NOTE(self._client, [self._key], [round(keep * 1000), *flat])
        except STORE_ERRORS as error:
            raise store_error(error) from None
        assert isinstance(found, int)
        return found
