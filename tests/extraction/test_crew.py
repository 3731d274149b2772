"""Extractors are processes: what hangs, dies or eats memory costs one page."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from extraction import Crew
from extraction.child import memory
from limpet.errors import ExtractionFailed
from limpet.jobs import Rule

ROOT = Path(__file__).resolve().parents[2]
Parse = Callable[[object], dict[str, Rule]]


def use(crew: Crew, rules: dict[str, Rule], text: str) -> Any:
    return crew.extract(rules, text, url="http://shop.test/", content_type="text/html")


def children() -> list[int]:
    """Return the extractors of this process."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parent = f"PPid:\t{os.getpid()}\n" in status.read_text()
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent and b"extraction.child" in command:
            found.append(int(status.parent.name))
    return found


def test_a_crew_finds_what_the_rules_want(crew: Crew, parse: Parse) -> None:
    assert use(crew, parse({"a": "h1"}), "<h1>é \ud800") == {"a": "é ?"}


def test_threads_share_it(crew: Crew, parse: Parse) -> None:
    rules = parse({"a": "h1"})

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: use(crew, rules, f"<h1>{n}"), range(100)))

    assert found == [{"a": str(n)} for n in range(100)]
    assert len(children()) <= 2


def test_extractors_are_few_on_a_machine_with_many_processors(
    parse: Parse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    rules = parse({"a": "h1"})

    with Crew() as crew, ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda n: use(crew, rules, f"<h1>{n}"), range(64)))
        started = children()

    assert 1 <= len(started) <= 4


def test_where_memory_runs_short_an_extractor_dies_before_its_worker(
    crew: Crew, parse: Parse
) -> None:
    use(crew, parse({"a": "h1"}), "<h1>x")

    [extractor] = children()
    said = Path(f"/proc/{extractor}/oom_score_adj").read_text()
    assert int(said) == 1000
    assert int(Path("/proc/self/oom_score_adj").read_text()) < 1000


@pytest.mark.parametrize(
    ("said", "most"),
    [
        ("805306368\n", 402653184),
        ("max\n", 1024**3),
        ("9223372036854771712\n", 1024**3),
    ],
)
def test_a_page_takes_half_of_what_a_container_may_have_at_most(
    said: str, most: int, tmp_path: Path
) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(said)

    assert memory([tmp_path / "missing", limit]) == most


@pytest.mark.parametrize(
    ("rule", "page"),
    [
        ({"css": "p::text", "regex": "(x+x+)+y"}, f"<p>{'x' * 100}"),
        ("li ~ li", "<li>a" * 20_000),
    ],
)
def test_what_never_ends_is_ended_and_named(
    crew: Crew, parse: Parse, rule: object, page: str
) -> None:
    with pytest.raises(ExtractionFailed) as failure:
        use(crew, parse({"good": "p", "bad": rule}), page)

    assert str(failure.value) == "extract.bad: took longer than 3 s"
    assert use(crew, parse({"a": "h1"}), "<h1>on") == {"a": "on"}


def test_what_never_ends_does_not_hold_up_what_is_short(parse: Parse) -> None:
    endless = parse({"a": {"css": "p::text", "regex": "(x+x+)+y"}})
    title = parse({"t": "h1"})

    with Crew(size=1, seconds=5) as crew, ThreadPoolExecutor(3) as threads:
        page = f"<p>{'x' * 100}"
        bombs = [threads.submit(use, crew, endless, page) for _ in range(3)]
        found = use(crew, title, "<h1>short")
        undone = [one for one in bombs if not one.done()]

    assert found == {"t": "short"}
    assert undone
    told = {str(one.exception()) for one in bombs}
    assert told == {"extract.a: took longer than 5 s"}


def test_a_slow_page_is_done_all_the_same(parse: Parse) -> None:
    slow = parse({"a": {"css": "p::text", "regex": "(x+x+)+y"}})

    with Crew(size=1, seconds=60) as crew:
        found = use(crew, slow, f"<p>{'x' * 26}")
        left = children()

    assert found == {"a": None}
    assert left == [], "who is at the lowest priority stays there"


def test_an_extractor_that_was_killed_is_replaced(crew: Crew, parse: Parse) -> None:
    use(crew, parse({"a": "h1"}), "<h1>x")
    for pid in children():
        os.kill(pid, signal.SIGKILL)

    assert use(crew, parse({"a": "h1"}), "<h1>y") == {"a": "y"}


def test_extractors_know_no_secret(
    crew: Crew, parse: Parse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMPET_STATE_KEYS", "hush-hush")

    use(crew, parse({"a": "h1"}), "<h1>x")

    environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in children()]
    assert environments
    assert not [one for one in environments if b"hush-hush" in one]


def test_a_closed_crew_leaves_no_process(parse: Parse) -> None:
    crew = Crew(size=1)
    use(crew, parse({"a": "h1"}), "<h1>x")

    crew.close()

    assert children() == []


def test_a_failure_says_where_and_nothing_of_the_page(crew: Crew, parse: Parse) -> None:
    with pytest.raises(ExtractionFailed) as failure:
        use(crew, parse({"a": {"css": "h2", "required": True}}), "<h1>hush")

    again = pickle.loads(pickle.dumps(failure.value))
    assert str(again) == "extract.a: is required, and the page has none"


_WORKER = """
import os, sys, threading
from extraction import Crew
from limpet.jobs import Rule
crew = Crew(size=1)
rules = {"a": Rule(css="h1")}
crew.extract(rules, "<h1>x", url="http://shop.test/", content_type="")
[child] = [one for one in os.popen(f"pgrep -P {os.getpid()} python").read().split()]
print(child, flush=True)
threading.Event().wait()
"""


def test_extractors_of_a_killed_worker_end(eventually: Callable[..., None]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WORKER],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as worker:
        assert worker.stdout
        status = Path(f"/proc/{worker.stdout.readline().strip()}/status")
        assert "python" in status.read_text()
        worker.kill()

    # Its new parent may not have looked yet.
    eventually(lambda: not status.exists() or "State:\tZ" in status.read_text())
