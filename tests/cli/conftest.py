"""What tests of the command line share: a pool of some proxies, and a terminal."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from pydantic import SecretStr

from cli.pool import Pool
from cli.proxies import row_of
from lab import Lab
from limpet.settings import Settings
from proxies import Proxy, ProxyRecord
from proxies.fields import ABOUT

if TYPE_CHECKING:
    from tests.stack import Stack

ROOT = Path(__file__).resolve().parents[2]


class Terminal(NamedTuple):
    """How a command on a terminal went, and all that was seen there."""

    code: int
    text: str


@pytest.fixture(scope="module")
def served(shared_stack: "Stack", lab: Lab) -> "Stack":
    """A worker whose pool has a proxy."""
    line = lab.proxies[0].line
    shared_stack.manage("proxies", "import", "-", stdin=line)
    shared_stack.worker()
    return shared_stack


@pytest.fixture
def place(stack: "Stack") -> Pool:
    """The pool that commands of the stack work on, if they name none."""
    config = Settings(redis_url=SecretStr(stack.redis_url), state_dir=stack.folder)
    return Pool("default", config)


@pytest.fixture
def imported(place: Pool) -> list[str]:
    """Import three of the proxies that the fixture `pool` makes known to Redis."""
    about = [("DE", ("fast", "mobile")), ("US", ("fast",)), ("DE", ())]
    records = [
        ProxyRecord(
            Proxy("http", f"127.0.8.{n}", 8080, "u", "S3cret"), country=land, tags=tags
        )
        for n, (land, tags) in enumerate(about)
    ]
    place.add(records, fields=ABOUT, progress=lambda _done, _all: None)
    place.publish(records, progress=lambda _done, _all: None)
    return [record.id for record in records]


@pytest.fixture(scope="session")
def terminal_of() -> Callable[["Stack"], Callable[..., Terminal]]:
    """Run commands of a stack on a terminal and type into it."""

    def of(stack: "Stack") -> Callable[..., Terminal]:
        def run(*arguments: str, types: str = "") -> Terminal:
            ours, its = pty.openpty()
            process = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                env={**stack.environment, "TERM": "xterm"},
                cwd=ROOT,
                stdin=its,
                stdout=its,
                stderr=its,
            )
            os.close(its)
            os.write(ours, types.encode())
            seen = b""
            while chunk := _read(ours):
                seen += chunk
            os.close(ours)
            return Terminal(process.wait(60), seen.decode())

        return run

    return of


@pytest.fixture
def terminal(
    stack: "Stack", terminal_of: Callable[["Stack"], Callable[..., Terminal]]
) -> Callable[..., Terminal]:
    """Run a command on a terminal and type into it."""
    return terminal_of(stack)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # how Linux says that nobody is left at the other end
        return b""


@pytest.fixture
def listed(place: Pool) -> Callable[[], list[dict[str, Any]]]:
    """What ``proxies ls --json`` would say."""
    return lambda: [row_of(one) for one in place.status(place.inventory())]
