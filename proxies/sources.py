"""Where proxies come from: a file with one proxy a line."""

from collections.abc import Iterable
from dataclasses import dataclass

from limpet.errors import InvalidProxy
from proxies.proxy import Proxy, parse_proxy


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was skipped; *number* counts from 1."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Import:
    """What a file held: proxies without repeats, and the lines that were skipped."""

    proxies: list[Proxy]
    bad: list[BadLine]
    repeats: int


def read_lines(lines: Iterable[str]) -> Import:
    """Parse each line; empty lines and those that start with ``#`` are comments."""
    found: dict[str, Proxy] = {}
    bad: list[BadLine] = []
    good = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            proxy = parse_proxy(line)
        except InvalidProxy as error:
            bad.append(BadLine(number, str(error)))
            continue
        good += 1
        found[proxy.id] = proxy
    return Import(list(found.values()), bad, repeats=good - len(found))
