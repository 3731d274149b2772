"""Beat, of which several may run: one is active, and another one follows it.

What was sent when is in the session Redis, and the schedule is not: it is always the
one of the active beat's own environment, so a changed setting counts and an entry that
is gone is gone. The clock is that of Redis. Why not Celery's own scheduler: two of them
send everything twice, and its file has to follow it from host to host. Why not
celery-redbeat 2.4: it ends when Redis does, writes down that it has sent what it then
could not send, keeps the schedule in Redis too, where a beat with other settings
overwrites it, and goes by its machine's clock.

A beat that dies between sending and writing it down is followed by one that sends the
same once more, with the same slot: workers do that once (`tasks.upkeep.base`).
"""

import os
import secrets
import socket
from typing import Any, Final

import structlog
from celery import beat
from celery.schedules import crontab
from kombu.exceptions import OperationalError

from limpet import pulse
from limpet.connection import session_redis
from limpet.errors import StoreUnavailable
from limpet.settings import settings
from limpet.upkeep import UpkeepStore
from limpet.upkeep.due import due
from tasks.upkeep.headers import SENT, SLOT

#: Seconds until it is tried again to reach a store or a broker that is away.
_AGAIN: Final = 2.0

log = structlog.get_logger(__name__)


class Scheduler(beat.Scheduler):
    """One of the beats."""

    #: What was said last of this beat: that it is active, waits, or has no store.
    _state = ""
    _closed = False
    _store: UpkeepStore

    def setup_schedule(self) -> None:
        super().setup_schedule()
        self._store = UpkeepStore(session_redis(settings()))
        self._token = secrets.token_hex(8)
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._round = float(self.max_interval or 5)

    def tick(self, *_args: Any, **_kwargs: Any) -> float:
        """Send what is due, if this beat is the active one; return seconds to wait."""
        if self._closed:
            # Celery closes on a signal and raises this. Where Python was just clearing
            # something away (``__del__``), that came to nothing.
            raise SystemExit
        try:
            active, now_ms, sent = self._store.lead(self._token, self._name)
            wait = self._send_all(now_ms, sent) if active else self._round
            self._say("beat_active" if active else "beat_waits")
            pulse.tell(settings().pulse_file)
        except StoreUnavailable as error:
            self._say("beat_has_no_store", reason=str(error))
            wait = _AGAIN
        except OperationalError:
            # Its text may hold the address with its password.
            self._say("beat_has_no_broker")
            wait = _AGAIN
        return min(wait, self._round)

    def close(self) -> None:
        """Let another beat go on at once."""
        self._closed = True
        super().close()
        try:
            self._store.let_go(self._token)
        except StoreUnavailable as error:
            log.warning("beat_not_released", reason=str(error))

    @property
    def info(self) -> str:
        return "    . one of any number of beats"

    def _send_all(self, now_ms: int, sent: dict[str, int]) -> float:
        wait = self._round
        for name, entry in self.schedule.items():
            last = sent.get(name, 0)
            new = last == 0 and isinstance(entry.schedule, crontab)
            if new or last > now_ms:
                # The first time of a crontab is yet to come; and a clock that was put
                # back must not stop everything until it is there again.
                last = now_ms
                self._store.note_sent(self._token, name, last)
            left = due(entry.schedule, last / 1000, now_ms / 1000) - now_ms / 1000
            if left <= 0:
                self._send(entry, last, now_ms)
                if not self._store.note_sent(self._token, name, now_ms):
                    return 0  # it took so long that another beat is active
                left = due(entry.schedule, now_ms / 1000, now_ms / 1000) - now_ms / 1000
            wait = min(wait, left)
        return wait

    def _send(self, entry: Any, last_ms: int, now_ms: int) -> None:
        headers = {SLOT: str(last_ms), SENT: now_ms}
        options = {**entry.options, "headers": headers, "producer": self.producer}
        self.send_task(entry.task, entry.args, entry.kwargs, **options)
        log.info("upkeep_sent", entry=entry.name, task=entry.task)

    def _ensure_connected(self) -> Any:
        """Connect for the first message; Celery's own waits for a broker for ever."""
        # Nobody else would know that this beat lives, nor take its place.
        return self.connection.ensure_connection(max_retries=1, interval_start=0)

    def _say(self, state: str, **fields: str) -> None:
        if state != self._state:
            self._state = state
            log.info(state, beat=self._name, **fields)
