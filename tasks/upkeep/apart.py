"""Pools one by one: one that is damaged keeps no other from its turn."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from limpet.errors import (
    LimpetError,
    ScriptFailed,
    SessionCleanupError,
    SessionStoreError,
    StoreDamaged,
)

log = structlog.get_logger(__name__)


class Apart:
    """What became of the pools of one run; *damaged* counts those that were left out.

    A store that is away is raised at once: no other pool would have it.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._failed: LimpetError | None = None

    @contextmanager
    def pool(self, name: str) -> Iterator[None]:
        """Do something with a pool, and go on with the next one if that cannot be."""
        try:
            yield
        except StoreDamaged as error:
            # No other try would mend it: it is told, here and by health.
            log.error("pool_damaged", pool=name, reason=error.reason)  # noqa: TRY400 - no stack
            self.damaged += 1
        except (SessionStoreError, SessionCleanupError, ScriptFailed) as error:
            log.error("pool_left_out", pool=name, reason=str(error))  # noqa: TRY400 - no stack
            self._failed = self._failed or error

    def close(self) -> None:
        """Have the run fail if a pool did, now that the others are done."""
        if self._failed is not None:
            raise self._failed
