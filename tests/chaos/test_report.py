"""What a storm prints: what was killed, what that cost, and the verdict."""

import io

from rich.console import Console

from tests.chaos.storm.history import Death, History, Visit
from tests.chaos.storm.report import show


def _visit(number: int, begin: float, worker: str) -> Visit:
    end, address = begin + 1, "127.0.7.1"
    return Visit(number, "s", 0, 0, worker, address, begin, end)


def _printed(history: History, verdict: dict[str, list[str]]) -> str:
    console = Console(file=io.StringIO(), width=200)
    show(console, history, verdict, redelivered=5)
    text: str = console.file.getvalue()  # type: ignore[attr-defined] # it is in memory
    return text


def _row(text: str, name: str) -> list[str]:
    [line] = [one for one in text.splitlines() if f"│ {name} " in one]
    return [cell.strip() for cell in line.strip("│ ").split("│")]


def test_it_tells_what_was_killed_and_what_that_cost() -> None:
    history = History(
        visits=(_visit(0, 10, "w1"), _visit(1, 18, "w2"), _visit(2, 30, "w2")),
        deaths=(Death("machine", "w1", 10.5, 11), Death("beat", "beat", 12, 13)),
    )

    text = _printed(history, {})

    assert _row(text, "machine") == ["machine", "1", "1", "1"]
    assert _row(text, "beat") == ["beat", "1", "0", "0"]
    # The third visit is the second one again, for which nothing had died.
    assert _row(text, "nothing") == ["nothing", "", "", "1"]
    assert "3 requests at the site" in text
    assert "5 messages of silent workers were given to others" in text


def test_it_tells_which_rules_are_broken_and_by_what() -> None:
    lines = [f"job {n}: gone" for n in range(13)]

    text = _printed(History(), {"no job is lost": lines, "counters agree": []})

    assert _row(text, "no job is lost") == ["no job is lost", "13"]
    assert _row(text, "counters agree") == ["counters agree", "no"]
    assert "no job is lost: job 9: gone" in text
    assert "job 10: gone" not in text
    assert "no job is lost: and 3 more" in text
