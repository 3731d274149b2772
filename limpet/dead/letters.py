"""The way of a dead letter: Redis at once, SQL soon.

A worker writes to Redis alone: it is quick, however many jobs fail together, and SQL
may be away for as long as it likes. Letters are moved to SQL by upkeep, and before
anybody looks at them.
"""

import time
from typing import Final

import structlog

from limpet import database
from limpet.connection import session_redis
from limpet.dead import tables
from limpet.dead.letter import Letter
from limpet.dead.store import DeadStore
from limpet.errors import StoreUnavailable
from limpet.settings import Settings

#: Letters that are moved in one step.
_BATCH: Final = 200
#: Letters that are moved by who finds no room for one.
_ROOM: Final = 1000

log = structlog.get_logger(__name__)


class DeadLetters:
    """Redis and SQL together."""

    def __init__(self, config: Settings) -> None:
        self._config = config
        self._store = DeadStore(session_redis(config))
        self.engine = database.engine(config.sql_url)

    def bury(self, letter: Letter) -> None:
        """Keep *letter*, in SQL if Redis is away or has all that may wait there.

        Raises:
            StoreUnavailable: SQL is away then.
        """
        try:
            if self._store.bury(letter):
                return
            # No beat moves them, or not fast enough.
            self.move(most=_ROOM)
            if self._store.bury(letter):
                return
        except StoreUnavailable as error:
            log.warning("dead_letter_to_sql", reason=str(error))
        tables.save(self.engine, [letter])

    def move(self, *, most: int = 100_000) -> int:
        """Move what waits in Redis to SQL, *most* of it; return how many letters.

        Safe to run twice and beside itself: a letter is known by its id.

        Raises:
            StoreUnavailable: Redis or SQL did not answer; nothing is lost.
        """
        moved = 0
        while moved < most:
            batch = self._store.waiting(_BATCH)
            if not batch:
                break
            tables.save(self.engine, [letter for letter, _ in batch])
            self._store.settle(batch)
            moved += len(batch)
        return moved

    def expire(self) -> int:
        """Remove letters that are older than ``LIMPET_DEAD_LETTER_DAYS``.

        Raises:
            StoreUnavailable: SQL did not answer.
        """
        age = self._config.dead_letter_days * 86_400
        return tables.remove(self.engine, before=time.time() - age)


def dead_counts(config: Settings) -> dict[str, int]:
    """Return how many letters there have ever been, by reason: a counter each.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    return DeadStore(session_redis(config)).counts()
