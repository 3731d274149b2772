"""Threads for questions stay for the next one."""

import threading
import time
from queue import SimpleQueue

import pytest

from health.crew import Crew
from health.question import Question, answered


def test_what_comes_one_after_another_needs_few_threads() -> None:
    crew, done = Crew(), SimpleQueue[int]()

    seen = set()
    for _ in range(200):
        crew.do(lambda: done.put(threading.get_ident()))
        seen.add(done.get(timeout=60))

    # One is not free yet while it says that it is done.
    assert len(seen) < 20


def test_work_that_hangs_holds_up_no_other() -> None:
    crew, done, hung = Crew(), SimpleQueue[str](), threading.Event()
    for _ in range(3):
        crew.do(lambda: done.put("hung") if hung.wait(30) else None)

    crew.do(lambda: done.put("done"))

    assert done.get(timeout=60) == "done"
    hung.set()
    assert [done.get(timeout=60) for _ in range(3)] == ["hung"] * 3


def test_a_question_that_raises_leaves_its_thread_for_others() -> None:
    question: Question[float] = Question(lambda: 1 / 0)

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            answered(question.put(), until=time.monotonic() + 30)
