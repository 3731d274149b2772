"""The storm itself: sends jobs, kills what the plan says, and brings it back."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from tests.chaos.storm.history import Death, Job
from tests.chaos.storm.parts import Part
from tests.chaos.storm.plan import Sending, Trouble, numbers
from tests.chaos.storm.stage import Stage

_STEP: Final = 0.02
#: Seconds until what could not be done is tried again: a job that the broker did not
#: take, a worker that had nothing in hand.
_AGAIN: Final = 0.3
#: Seconds after which a worker that was started is sure to have work.
_BUSY: Final = 10
#: What is done to workers that wait for a page: an idle one would show nothing.
_IN_HAND: Final = frozenset({"frozen worker", "machine"})
Tell = Callable[[str], None]
_T = TypeVar("_T")


@dataclass(slots=True)
class _Back:
    """Something that comes back at a time of the clock that does not jump."""

    at: float
    death: Death
    bring: Callable[[], None]


class Weather:
    """One storm over a stage; *tell* is told what happens."""

    def __init__(self, stage: Stage, app: Celery, tell: Tell) -> None:
        self._stage, self._app, self._tell = stage, app, tell
        self._back: list[_Back] = []
        self.deaths: list[Death] = []
        self.jobs: list[Job] = []
        #: Jobs that the broker may have taken without saying so.
        self._refused: set[int] = set()
        #: When what was killed was started again.
        self._since: dict[str, float] = {}
        self._begin = 0.0
        self._send_at = 0.0

    def rage(
        self, sendings: Iterator[Sending], troubles: Iterator[Trouble], *, rate: float
    ) -> None:
        """Go on until all jobs are sent, *rate* a second, and all is back."""
        self._begin = time.monotonic()
        sent = 0
        waiting = next(sendings, None)
        trouble = next(troubles)
        due = self._begin + trouble.gap
        while waiting or self._back:
            now = time.monotonic()
            # One at a time: who cannot send as fast as that has troubles all the same.
            late = waiting and now >= max(self._send_at, self._begin + sent / rate)
            if waiting and late and self._send(waiting):
                sent += 1
                waiting = next(sendings, None)
            if waiting and now >= due:
                if self._strike(trouble):
                    trouble = next(troubles)
                    due = time.monotonic() + trouble.gap
                else:
                    due = now + _AGAIN
            self._restore()
            if not late:
                time.sleep(_STEP)

    def _send(self, sending: Sending) -> bool:
        site = self._stage.site_url
        try:
            self._app.send_task(
                sending.job.task,
                kwargs=sending.arguments(site),
                task_id=sending.id,
                queue="scrape",
                retry=False,
            )
        except OperationalError:
            self._send_at = time.monotonic() + _AGAIN
            self._refused.add(sending.job.number)
            return False
        resent = sending.job.number in self._refused
        self.jobs.append(replace(sending.job, resent=resent))
        return True

    # --- troubles ---------------------------------------------------------------

    def _strike(self, trouble: Trouble) -> bool:
        """Do it, if it can be done at all; False if it is to be tried again soon."""
        found = self._victim(trouble)
        if found and trouble.kind in _IN_HAND and not self._caught(found):
            return False
        death = self._hit(found, trouble) if found else None
        if found is None or death is None:
            return True
        now = time.monotonic()
        at, away = now - self._begin, trouble.away
        self._tell(f"{at:6.1f} s  {death.kind:13}  {found.name:10}  for {away:.1f} s")
        if death.kind == "pool child":
            self.deaths.append(death)
            return True
        bring = found.thaw if found.frozen else found.start
        self._back.append(_Back(now + away, death, bring))
        return True

    def _caught(self, worker: Part) -> bool:
        """Freeze *worker* with a page in hand: whose lease it holds for certain."""
        worker.freeze()
        if self._stage.waits(worker):
            return True
        worker.thaw()
        return False

    def _hit(self, part: Part, trouble: Trouble) -> Death | None:
        """Do it; return nothing if it could not be done."""
        death = Death(trouble.kind, part.target, time.time(), time.time())
        if trouble.kind == "broker":
            death = replace(death, held=self._held())
        if trouble.kind == "pool child":
            children = part.children()
            if not children:
                return None
            with suppress(ProcessLookupError):
                os.kill(_one_of(children, trouble.pick), signal.SIGKILL)
        elif trouble.kind != "frozen worker":
            part.kill(whole=trouble.kind != "worker")
        # What a worker had taken stays so for longer than this takes.
        of_a_worker = part in self._stage.workers
        return replace(death, held=self._held()) if of_a_worker else death

    def _held(self) -> frozenset[int] | None:
        """Return the jobs that workers have taken; None, if the broker cannot say."""
        try:
            taken: Any = self._stage.redis(self._stage.broker_url).hvals("unacked")
        except RedisError:
            return None
        return frozenset(number for text in taken for number in numbers(text))

    def _victim(self, trouble: Trouble) -> Part | None:
        stage = self._stage
        named = {
            "broker": [stage.broker],
            "session Redis": [stage.sessions],
            "beat": [stage.beat],
            "Flower": [stage.flower],
            "proxy": stage.proxies,
            "pool child": stage.workers[-1:],
        }
        those = named.get(trouble.kind, stage.workers)
        # What is down already cannot be killed; what is frozen is to come back.
        up = [one for one in those if one.alive and not one.frozen]
        if trouble.kind in {*_IN_HAND, "pool child"}:
            # One that has only begun has nothing that others could want, and Celery
            # ends it when a child dies before all are up: for a service manager to
            # start again, and here there is none.
            idle = time.monotonic() - _BUSY
            up = [one for one in up if self._since.get(one.target, idle) <= idle]
        return _one_of(up, trouble.pick) if up else None

    def _restore(self) -> None:
        now = time.monotonic()
        for back in [one for one in self._back if one.at <= now]:
            self._back.remove(back)
            until = time.time()
            back.bring()
            self._since[back.death.target] = now
            self.deaths.append(replace(back.death, until=until))


def _one_of(those: Sequence[_T], pick: float) -> _T:
    return those[int(pick * len(those))]
