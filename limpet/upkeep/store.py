"""Upkeep in the session Redis: who may run, and what became of it."""

from collections.abc import Iterable
from typing import Any, Final

from redis import Redis

from limpet.connection import STORE_ERRORS, store_error
from limpet.errors import StoreDamaged
from limpet.keys import BEAT, BEAT_ACTIVE, BEAT_SENT, TaskKeys
from limpet.scripts import Script
from limpet.upkeep.beat import Beat
from limpet.upkeep.reading import Reading
from limpet.upkeep.record import Record

_BEGIN: Final = Script("limpet", "begin_turn")
_RENEW: Final = Script("limpet", "renew_turn")
_END: Final = Script("limpet", "end_turn")
_LEAD: Final = Script("limpet", "lead")
_NOTE: Final = Script("limpet", "note_sent")
_LET_GO: Final = Script("limpet", "let_go")
_LOOK: Final = Script("limpet", "look")
#: A worker that dies in a run keeps others from it for so long, in ms; a run that goes
#: on renews it in time.
HOLD_MS: Final = 30_000
#: A beat that dies is followed by another one after this time, in ms, and one round of
#: that one; a round takes at most 5 s.
ACTIVE_MS: Final = 15_000


class UpkeepStore:
    """Locks and records; raises `StoreUnavailable` when Redis does not do its work."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    def begin(
        self, task: str, token: str, *, message: str, slot: str, sent_ms: int, by: str
    ) -> tuple[str, int]:
        """Return ``go`` and when the run began in ms, or why it is not to begin.

        *message* is the id of the one that asks for it, which beat sent for *slot* at
        *sent_ms*, 0 if it was not beat.
        """
        keys = TaskKeys(task)
        reply: Any = self._run(
            _BEGIN,
            [keys.lock, keys.record, keys.slot(slot)],
            [token, HOLD_MS, message, sent_ms, by],
        )
        return reply[0].decode(), reply[1]

    def renew(self, task: str, token: str) -> bool:
        """Keep the lock; False if it is another run's by now."""
        return bool(self._run(_RENEW, [TaskKeys(task).lock], [token, HOLD_MS]))

    def end(
        self, task: str, token: str, *, began_ms: int, result: str = "", error: str = ""
    ) -> bool:
        """Write the run down: its *result* as JSON, or its *error*.

        False when another one has begun since, whose word stands.
        """
        keys = TaskKeys(task)
        mark = "x" if error else "."
        arguments = [token, began_ms, mark, result, error]
        return self._run(_END, [keys.lock, keys.record], arguments) != -1

    def record(self, task: str) -> Record:
        """Return what is known of the runs of *task*; `NEVER` if nothing is."""
        return self.look([task])[1][task]

    def lead(self, token: str, name: str) -> tuple[bool, int, dict[str, int]]:
        """Be the active beat, if no other one is.

        Returns whether it is now, the time in ms, and when each entry was sent last.
        """
        keys = [BEAT_ACTIVE, BEAT, BEAT_SENT]
        reply: Any = self._run(_LEAD, keys, [token, name, ACTIVE_MS])
        flat = reply[2] if reply[0] else []
        sent = Reading(dict(zip(flat[::2], flat[1::2], strict=True)))
        return bool(reply[0]), reply[1], sent.numbers()

    def note_sent(self, token: str, entry: str, at_ms: int) -> bool:
        """Write down when *entry* was sent; False if another beat is active by now."""
        return bool(self._run(_NOTE, [BEAT_ACTIVE, BEAT_SENT], [token, entry, at_ms]))

    def let_go(self, token: str) -> None:
        """Leave it to another beat to be the active one."""
        self._run(_LET_GO, [BEAT_ACTIVE], [token])

    def beat(self) -> Beat:
        """Return what is known of the active beat."""
        return self.look([])[0]

    def look(self, tasks: Iterable[str]) -> tuple[Beat, dict[str, Record]]:
        """Return what is known of the active beat, and of the runs of each task."""
        names = list(tasks)
        keys = [BEAT_ACTIVE, BEAT, BEAT_SENT]
        reply: Any = self._run(
            _LOOK, keys + [TaskKeys(one).record for one in names], []
        )
        clock, active, *found = reply
        beat, sent, *rows = map(_reading, found)
        now = int(clock[0]), int(clock[1])
        records = zip(names, map(Record.read, rows), strict=True)
        return Beat.read(beat, sent, active=active == 1, now=now), dict(records)

    def _run(self, script: Script, keys: list[str], args: list[Any]) -> object:
        try:
            return script(self._client, keys, args)
        except STORE_ERRORS as error:
            raise store_error(error) from None


def _reading(found: Any) -> Reading:
    if isinstance(found, Exception):
        return _nothing(found)
    return Reading(dict(zip(found[::2], found[1::2], strict=True)))


def _nothing(error: Exception) -> Reading:
    """Return what is known where a key holds something else; raise all other errors."""
    made = store_error(error)
    if isinstance(made, StoreDamaged):
        return Reading({}, damaged=True)
    raise made from None
