"""The extractors of one worker process: few, started when needed, killed when late.

A selector such as ``li ~ li`` takes 80 s on a page with 5,000 list items, and a thread
cannot be stopped; a process can. It also does its work outside of the worker's
interpreter lock.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, Self

import structlog

from extraction.turns import Turns
from extraction.wire import pack, receive, send
from limpet.errors import ExtractionFailed
from limpet.jobs.extraction import Rule, plain
from limpet.settings import ROOT

#: Most at their turn, however many processors there are: at rest each takes 42 MiB of
#: what a container may have, and a page of 10 MB takes 200 more.
_MOST: Final = 4
#: Longest time of a processor for one page; 1 MB with 100 rules takes far below 1 s.
SECONDS: Final = 10.0
#: The lowest priority that there is.
_LAST: Final = 19
#: Pages after which an extractor is replaced, so that memory is given back.
_PAGES: Final = 1000

log = structlog.get_logger(__name__)


class _Died(Exception):
    """The extractor is gone; *path* is the rule that it was at, "" for none yet."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class _Extractor:
    def __init__(self) -> None:
        self.pages = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "extraction.child"],
            cwd=ROOT,
            env={"PATH": os.defpath, "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # A terminal's Ctrl-C is for the worker, which finishes its jobs.
            start_new_session=True,
        )
        # Where memory runs short, it is to die and not the worker, which is larger.
        # From here, as it takes memory long before it could say so itself.
        with suppress(OSError):  # it has ended, or this is no Linux
            Path(f"/proc/{self._process.pid}/oom_score_adj").write_text("1000")

    def yield_to_others(self) -> None:
        """Work when nobody else does, from now on and for good."""
        with suppress(OSError):  # it may have ended
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _LAST)

    def ask(
        self, head: bytes, body: bytes, begun: Callable[[], None]
    ) -> dict[str, Any]:
        """Return the answer; *begun* is called when it is at work.

        Raises:
            _Died: there was none.
        """
        self.pages += 1
        to, answers = self._process.stdin, self._process.stdout
        assert to is not None
        assert answers is not None
        path = ""
        try:
            send(to, head, body)
            while frame := receive(answers):
                begun()
                path = frame.decode()
            result = None if frame is None else receive(answers)
        except OSError:
            result = None
        if result is None:
            raise _Died(path)
        found: dict[str, Any] = json.loads(result)
        return found

    def end(self, *, patience: float = 0) -> int:
        """End it; if it is about to, let it. Return its exit code."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            _close(pipe)
        return code


def _close(pipe: IO[bytes] | None) -> None:
    # What was still to be written has nobody to read it.
    with suppress(OSError):
        if pipe:
            pipe.close()


class Crew:
    """Extractors, *size* of them at their turn; each has *seconds* for a page.

    Whoever takes longer than a turn goes on beside them, at the lowest priority.
    Thread-safe. Not to be used across a fork: make one in each process.
    """

    def __init__(self, *, size: int | None = None, seconds: float = SECONDS) -> None:
        """*size* is by default the number of processors, but four at most."""
        self._seconds = seconds
        self._free: list[_Extractor] = []
        self._open = True
        self._lock = threading.Lock()
        self._turns = Turns(size or min(os.cpu_count() or 1, _MOST))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def extract(
        self, rules: Mapping[str, Rule], text: str, *, url: str, content_type: str
    ) -> dict[str, Any]:
        """Return what *rules* find in the page *text* that came from *url*.

        Raises:
            ExtractionFailed: as `extraction.engine.extract`, and when it took too long
                or too much memory.
        """
        job = {
            "rules": json.dumps(plain(rules)),
            "url": url,
            "content_type": content_type,
            "seconds": self._seconds,
        }
        answer = self._ask(pack(job), text)
        if "found" not in answer:
            raise ExtractionFailed(answer["path"], answer["reason"])
        found: dict[str, Any] = answer["found"]
        return found

    def close(self) -> None:
        """End all extractors; one that is at work ends when it is done."""
        with self._lock:
            free, self._free, self._open = self._free, [], False
        for one in free:
            one.end()

    def _ask(self, head: bytes, text: str) -> dict[str, Any]:
        with self._turns.turn() as turn:
            with self._lock:
                one = self._free.pop() if self._free else _Extractor()
            try:
                # Encoded at its turn: pages that wait are not in memory twice.
                answer = one.ask(
                    head,
                    text.encode(errors="replace"),
                    lambda: self._turns.begin(turn, one.yield_to_others),
                )
            except _Died as died:
                dead = died
            except BaseException:
                one.end()
                raise
            else:
                # One at the lowest priority stays there.
                self._put_back(one, stays=not turn.over)
                return answer
        # Dead before its first rule, one that had waited was dead already.
        again = not dead.path and one.pages > 1
        code = one.end(patience=1)
        if again:
            return self._ask(head, text)
        reason = self._reason(code)
        log.warning("extractor_died", path=dead.path, code=code)
        raise ExtractionFailed(dead.path or "extract", reason)

    def _put_back(self, one: _Extractor, *, stays: bool) -> None:
        with self._lock:
            if stays and self._open and one.pages < _PAGES:
                self._free.append(one)
                return
        one.end()

    def _reason(self, code: int) -> str:
        if code in {-signal.SIGPROF, -signal.SIGALRM}:
            return f"took longer than {self._seconds:g} s"
        return (
            "could not be used on this page: the extractor died, or ran out of memory"
        )
