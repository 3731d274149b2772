"""Who tells that beat is silent, or the broker away, when both are needed to look?

Each worker sees to it that somebody looks for alerts. If nobody has for too long, it
does so itself, without beat and broker, and goes on until others do it again.
"""

import threading
from contextlib import suppress
from typing import Any, Final

import structlog
from celery import Celery
from celery.signals import worker_ready

from beat_schedule import ENTRIES
from limpet.connection import session_redis
from limpet.errors import LimpetError
from limpet.names import CHECK_ALERTS
from limpet.settings import Settings, settings
from limpet.upkeep import UpkeepStore
from limpet.upkeep.due import due

_NAME: Final = "lookout"

log = structlog.get_logger(__name__)


@worker_ready.connect
def _begin(sender: Any, **_signal: object) -> None:
    config = settings()
    running = {thread.name for thread in threading.enumerate()}
    # A worker that lost its broker is ready once more, and has this already.
    if config.alerts_enabled and _NAME not in running:
        watch = _Lookout(sender.app, config)
        threading.Thread(target=watch.run, name=_NAME, daemon=True).start()


class _Lookout:
    """A thread beside the worker's jobs."""

    def __init__(self, app: Celery, config: Settings) -> None:
        self._task: Any = app.tasks[CHECK_ALERTS]
        self._config = config
        [entry] = [one for one in ENTRIES if one.task == CHECK_ALERTS]
        self._schedule = entry.schedule(config)
        #: Since when somebody should have looked, and when we did, in Redis's time.
        self._since = self._own = 0.0

    def run(self) -> None:
        rest = threading.Event()  # nobody sets it: a sleep
        while not rest.wait(self._config.alerts_interval_seconds):
            # While Redis is away nobody can tell anything; then it is tried again.
            with suppress(LimpetError):
                self._look()

    def _look(self) -> None:
        store = UpkeepStore(session_redis(self._config))
        now, last = store.beat().now, store.record(CHECK_ALERTS).started
        self._since = self._since or now
        if last != self._own or not last:
            patience = self._config.health_beat_silent_seconds
            if due(self._schedule, max(last, self._since), now) + patience > now:
                return
            log.warning("nobody_looks_for_alerts", last=last)
        try:
            self._task()
        finally:
            self._own = store.record(CHECK_ALERTS).started
