"""Tables for people: what was killed, what that cost, and the verdict."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from tests.chaos.storm.causes import cause, repeats
from tests.chaos.storm.history import History

#: Lines that are shown of what breaks one rule.
_SHOWN = 10


def show(
    console: Console,
    history: History,
    verdict: Mapping[str, Sequence[str]],
    *,
    redelivered: int,
) -> None:
    """Print all of it."""
    console.print(_killed(history))
    done = sum(result.state == "SUCCESS" for result in history.results)
    moves = sum(binding.what == "rebound" for binding in history.bindings)
    console.print(
        f"{len(history.jobs)} jobs accepted, {done} done; {len(history.visits)} "
        f"requests at the site; sessions moved {moves} times; {redelivered} messages "
        f"of silent workers were given to others.",
        highlight=False,
    )
    console.print(_verdict(verdict))
    for rule, lines in verdict.items():
        for line in lines[:_SHOWN]:
            console.print(f"[red]{rule}:[/] {line}", highlight=False, soft_wrap=True)
        if len(lines) > _SHOWN:
            console.print(f"[red]{rule}:[/] and {len(lines) - _SHOWN} more")


def _killed(history: History) -> Table:
    table = Table(title="What was killed", title_justify="left")
    table.add_column("what")
    for name in ("times", "requests of it then", "pages fetched again for it"):
        table.add_column(name, justify="right")
    again: Counter[str] = Counter()
    for repeat in repeats(history):
        death = cause(history, repeat)
        again[death.kind if death else "nothing"] += 1
    times = Counter(death.kind for death in history.deaths)
    for kind, count in times.most_common():
        busy = _busy(history, kind)
        table.add_row(kind, str(count), str(busy), str(again[kind]))
    if again["nothing"]:
        table.add_row("[red]nothing[/]", "", "", str(again["nothing"]))
    return table


def _busy(history: History, kind: str) -> int:
    """Return how many requests were under way that needed what was killed."""
    deaths = [death for death in history.deaths if death.kind == kind]
    all_need = {kind} & {"broker", "session Redis"}
    count = 0
    for visit in history.visits:
        count += any(
            visit.begin <= death.at <= visit.end
            and (all_need or death.target in {visit.worker, visit.address})
            for death in deaths
        )
    return count


def _verdict(verdict: Mapping[str, Sequence[str]]) -> Table:
    table = Table(title="What must be true", title_justify="left")
    table.add_column("rule")
    table.add_column("broken", justify="right")
    for rule, lines in verdict.items():
        table.add_row(rule, f"[red]{len(lines)}[/]" if lines else "[green]no[/]")
    return table
