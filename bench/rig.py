"""What the benches stand on: a server of their own, interleaved timing, tables.

The machine is noisy, so nothing is compared across runs: the two sides of a ratio are
timed in turns, a small chunk each, and a ratio is the median over those chunks.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import Annotated, ParamSpec, TypeVar

import typer
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from rich.console import Console
from rich.table import Table

from limpet.connection import connect
from limpet.embedded import server_binary

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


class Kind(StrEnum):
    """The servers that a bench can start."""

    REDIS7 = "redis7"
    EMBEDDED = "embedded"


def _debian_server() -> str | None:
    # An active environment has the embedded server under the same name.
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    outside = [one for one in folders if not one.startswith(sys.prefix)]
    return shutil.which("redis-server", path=os.pathsep.join(outside))


Quick = Annotated[
    bool, typer.Option("--quick", help="Under 40 s, with less of it all.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="End with one flat JSON object on a line.")
]
Server = Annotated[
    Kind | None,
    typer.Option(
        help="redis7: the redis-server of the machine; embedded: that of the wheel. "
        "The first if there is one, else the second."
    ),
]


def command(bench: Callable[..., None]) -> typer.Typer:
    """Return the command line of one bench."""
    app = typer.Typer(add_completion=False, rich_markup_mode="rich")
    app.command()(bench)
    return app


@dataclass(frozen=True)
class Running:
    """A server that was started for one bench."""

    port: int
    name: str
    client: Redis


@contextmanager
def server(kind: Kind | None) -> Iterator[Running]:
    """Run a server on a free port of loopback, without persistence."""
    binary = None if kind is Kind.EMBEDDED else _debian_server()
    if binary is None and kind is not Kind.REDIS7:
        binary = server_binary()
    if binary is None:
        raise typer.BadParameter("redis-server is not installed", param_hint="--server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="limpet-bench-") as folder:
        options = f"--port {port} --bind 127.0.0.1 --dir {folder} --appendonly no"
        process = subprocess.Popen(
            [binary, *options.split(), "--save", "", "--loglevel", "warning"],
            stdout=subprocess.DEVNULL,
        )
        # Told to end, a program would leave the server behind.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        try:
            client = connect(f"redis://127.0.0.1:{port}/0")
            yield Running(port, _name(client), client)
        finally:
            process.kill()
            process.wait()


def _name(client: Redis) -> str:
    deadline = time.monotonic() + 10
    while True:
        try:
            info = client.info("server")
        except RedisConnectionError:
            if time.monotonic() > deadline:
                raise
            continue
        if "valkey_version" in info:
            return f"Valkey {info['valkey_version']}"
        return f"Redis {info['redis_version']}"


@dataclass
class Samples:
    """Times of several operations in microseconds a call, one of each a chunk."""

    chunks: list[dict[str, float]] = field(default_factory=list)

    def begin(self) -> None:
        """Begin the next chunk."""
        self.chunks.append({})

    def time(
        self,
        name: str,
        calls: int,
        action: Callable[_Given, _Result],
        *args: _Given.args,
        **kwargs: _Given.kwargs,
    ) -> _Result:
        """Run *action*, which does *calls* calls, and return its result."""
        start = time.perf_counter()
        result = action(*args, **kwargs)
        self.chunks[-1][name] = (time.perf_counter() - start) / calls * 1e6
        return result

    def micros(self, name: str) -> float:
        return median(chunk[name] for chunk in self.chunks)

    def ratio(self, over: str, under: str) -> float:
        """Return how many times longer *over* takes than *under*."""
        return median(chunk[over] / chunk[under] for chunk in self.chunks)


@dataclass(frozen=True)
class Goal:
    """What a figure should be: at least, or at most."""

    text: str
    value: float
    most: bool = False

    def met(self, figure: float) -> bool:
        return figure <= self.value if self.most else figure >= self.value


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    made = Table(title=title, title_justify="left")
    for n, name in enumerate(header):
        made.add_column(name, justify="right" if n else "left")
    for row in rows:
        made.add_row(*row)
    Console().print(made)


def operations(title: str, samples: Samples, base: str) -> None:
    """Print what each operation took, and how often *base* could have been called."""
    rows = [
        (name, f"{samples.micros(name):.0f}", f"{samples.ratio(base, name):.2f}")
        for name in samples.chunks[0]
    ]
    table(title, ("operation", "µs", f"speed beside {base}"), rows)


def finish(
    figures: Mapping[str, float], goals: Mapping[str, Goal], *, as_json: bool
) -> None:
    """Print the figures that have goals, and with *as_json* all of them."""
    rows = [
        (name, f"{figures[name]:.2f}", goal.text, _verdict(goal, figures[name]))
        for name, goal in goals.items()
    ]
    table("goals", ("figure", "here", "goal", ""), rows)
    if as_json:
        print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


def _verdict(goal: Goal, figure: float) -> str:
    return "met" if goal.met(figure) else "missed"
