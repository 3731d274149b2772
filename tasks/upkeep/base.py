"""What every upkeep task has in common.

A task of ours is made like this, and returns what is worth knowing of the run as a dict
or a dataclass that is fit for JSON (counts; no secret)::

    @app.task(base=UpkeepTask, bind=True, name=DRAIN_AUDIT)
    def drain_audit(self: UpkeepTask) -> dict[str, Any]:
        report = {"moved": 0, "unfinished": 0}
        while report["moved"] < … and self.turn.going:
            …
        return report

and is entered in `beat_schedule.ENTRIES`. `UpkeepTask` sees to the rest:

- Runs of one task never overlap, whoever asked for them: a run holds a lock in the
  session Redis, which it renews; that of a dead process expires after 30 s, and that of
  one which hangs 5 min after its time. A run that finds another one is left out.
- What beat sends carries the time that it was due at. Sent twice, it is done once; and
  what has waited while no worker was there is done once, not once for each.
- ``self.turn.going`` is false once the run's time is over (`budget` seconds, from
  ``LIMPET_UPKEEP_BUDGET_SECONDS`` unless the task has its own), or when it cannot be
  sure of its lock any more. A task asks before each bounded step, and goes on at its
  next run.
- A store that fails (`StoreUnavailable` and its kin) is tried again after 2, 4, 8, 16
  and 32 s. Each try begins anew, so a task has to be safe to run twice.
- Every run is written down: `limpet.upkeep.UpkeepStore.record` tells. A task that has
  to go on where it was may read its own last result from ``self.last``. Of a run that
  hung until another one began nothing is: what it found is older than what is there.
- Arguments are checked before a run begins: ``takes=…`` is a `Job` with a field for
  each; most tasks take none. A caller's mistake is `InvalidJob`, and no failed run.

``task.run(…)`` is the bare function, for tests; ``task(…)`` is a whole run.
"""

import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, is_dataclass
from typing import Any, ClassVar, Final, NoReturn

import structlog
from celery.exceptions import Reject

from limpet.connection import session_redis
from limpet.errors import (
    InvalidJob,
    JobError,
    LimpetError,
    SessionCleanupError,
    StoreDamaged,
    StoreUnavailable,
)
from limpet.jobs import Job
from limpet.settings import settings
from limpet.upkeep import Record, UpkeepStore
from limpet.upkeep.store import HOLD_MS
from tasks.app import CheckedTask
from tasks.blame import unexpected
from tasks.upkeep.headers import SENT, SLOT

#: Seconds between renewals of the lock: two may be missed.
_RENEW: Final = 10.0
#: A run that goes on for so long beyond its budget hangs: its lock is not renewed, or
#: there would never be another one. No step of a healthy run takes as long.
_HUNG: Final = 300.0
#: Tries after the first, and seconds before the first of them; then twice as many.
_TRIES: Final = 5
_BACKOFF: Final = 2.0
#: No time in ms is later.
_LATEST: Final = 2**53
#: What may be over by the next try.
_PASSING: Final = (StoreUnavailable, SessionCleanupError)

log = structlog.get_logger(__name__)


class Turn:
    """One run: how much of its time is left, in seconds, and whether it may go on."""

    def __init__(self, budget: float) -> None:
        now = time.monotonic()
        self._ends = now + budget
        self._held = now + HOLD_MS / 1000

    @property
    def left(self) -> float:
        return max(0.0, self._ends - time.monotonic())

    @property
    def hangs(self) -> bool:
        return time.monotonic() > self._ends + _HUNG

    @property
    def going(self) -> bool:
        # A lock that could not be renewed in time may be another run's by now.
        return self.left > 0 and time.monotonic() < self._held

    def held(self, asked: float) -> None:
        """Note that the lock was renewed; *asked* is when that was asked for."""
        self._held = asked + HOLD_MS / 1000

    def lost(self) -> None:
        self._held = 0.0


_current: ContextVar[Turn | None] = ContextVar("turn", default=None)


class UpkeepTask(CheckedTask):
    """One that beat sends; see the module."""

    abstract = True
    throws = (JobError,)
    #: Seconds that a run may take; None: as set for all.
    budget: ClassVar[float | None] = None
    #: What it may be called with.
    takes: ClassVar[type[Job]] = Job

    @property
    def turn(self) -> Turn:
        """The run that this is called from; a new one for the bare function."""
        return _current.get() or Turn(self._budget)

    @property
    def last(self) -> Record:
        """What is known of the runs before this one."""
        return UpkeepStore(session_redis(settings())).record(str(self.name))

    @property
    def _budget(self) -> float:
        return self.budget or settings().upkeep_budget_seconds

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = self._checked(args, kwargs)
        try:
            return self._run_once(given)
        except StoreDamaged:
            raise  # it would be so at every try
        except _PASSING as error:
            self._again(error)

    def _checked(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        fields = list(self.takes.model_fields)
        if len(args) > len(fields):
            raise InvalidJob(
                f"{self.name}: takes {len(fields)} arguments, not {len(args)}"
            )
        given = dict(zip(fields, args, strict=False))
        for name in given.keys() & kwargs.keys():
            raise InvalidJob(f"{name}: is given twice, by place and by name")
        job = self.takes.parse((), {**given, **kwargs})
        return {name: getattr(job, name) for name in job.model_fields_set}

    def _run_once(self, given: Mapping[str, Any]) -> Any:
        store = UpkeepStore(session_redis(settings()))
        token = secrets.token_hex(8)
        told = self.request.headers or {}
        turn = Turn(self._budget)
        state, began_ms = store.begin(
            self.name,
            token,
            message=str(self.request.id),
            slot=str(told.get(SLOT, "")),
            sent_ms=_sent_ms(told.get(SENT)),
            by=str(self.request.hostname or ""),
        )
        if state != "go":
            log.info("upkeep_left_out", task=self.name, reason=state)
            return {"left_out": state}
        with _written_down(store, self.name, token, began_ms) as done:
            reset = _current.set(turn)
            try:
                with _renewed(store, self.name, token, turn):
                    done.update(_plain(self.run(**given)))
            finally:
                _current.reset(reset)
        return done

    def _again(self, error: LimpetError) -> NoReturn:
        if self.request.called_directly or self.request.retries >= _TRIES:
            raise error
        wait = _BACKOFF * 2**self.request.retries
        log.warning("upkeep_tried_again", task=self.name, reason=str(error), wait=wait)
        # Without a broker there is nobody to send it to: beat will, when it is back.
        with suppress(Reject):
            raise self.retry(exc=error, countdown=wait, max_retries=_TRIES)
        raise error


def _sent_ms(header: object) -> int:
    """Return when beat sent it, 0 for what beat would not write."""
    return header if type(header) is int and 0 < header < _LATEST else 0


def _plain(result: Any) -> dict[str, Any]:
    if is_dataclass(result) and not isinstance(result, type):
        return asdict(result)
    return dict(result)


@contextmanager
def _written_down(
    store: UpkeepStore, task: str, token: str, began_ms: int
) -> Iterator[dict[str, Any]]:
    """Write down how the run ends: with what is put into the dict, or with an error."""
    done: dict[str, Any] = {}
    try:
        yield done
    except Exception as error:
        # Of what is not ours the text may hold a secret.
        text = str(error) if isinstance(error, LimpetError) else unexpected(error)
        with suppress(StoreUnavailable):
            store.end(task, token, began_ms=began_ms, error=text[:500])
        raise
    if not store.end(task, token, began_ms=began_ms, result=json.dumps(done)):
        log.warning("upkeep_overtaken", task=task, began_ms=began_ms)


@contextmanager
def _renewed(store: UpkeepStore, task: str, token: str, turn: Turn) -> Iterator[None]:
    """Keep the run's lock while it goes on; a run that loses it is told to end."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(_RENEW):
            asked = time.monotonic()
            try:
                kept = not turn.hangs and store.renew(task, token)
            except StoreUnavailable:
                continue  # it may be back before the lock is over
            if kept:
                turn.held(asked)
                continue
            if not over.is_set():
                turn.lost()
                log.error("upkeep_lost_its_turn", task=task, hangs=turn.hangs)
            return

    threading.Thread(target=renew, name=f"renew-{task}", daemon=True).start()
    try:
        yield
    finally:
        over.set()
