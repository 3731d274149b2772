"""A worker that the tests of a module share, and clients of its broker."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from lab import Lab
from limpet.client import Limpet

if TYPE_CHECKING:
    from tests.stack import Stack

#: Jobs at a time, so that some can be made to wait.
THREADS = 4


@pytest.fixture(scope="module")
def running(shared_stack: "Stack", lab: Lab) -> "Stack":
    """A worker whose pool has the lab's five proxies."""
    lines = "\n".join(proxy.line for proxy in lab.proxies)
    done = shared_stack.manage("proxies", "import", "-", stdin=lines)
    assert "5 new" in done.stdout, done.stderr
    shared_stack.worker(LIMPET_WORKER_THREADS=str(THREADS))
    return shared_stack


@pytest.fixture
def limpet(running: "Stack") -> Iterator[Limpet]:
    """A client of the worker's broker."""
    with Limpet(running.broker_url) as made:
        yield made
