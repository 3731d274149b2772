"""A broker of the test's own, which may be killed."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bench.queue_rig import ROOT, Rig, Worker


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A broker without a disk, a witness, and workers."""
    with Rig(tmp_path) as made:
        yield made


@pytest.fixture
def durable_rig(tmp_path: Path) -> Iterator[Rig]:
    """The same with a broker that keeps what it has on disk."""
    with Rig(tmp_path, durable=True) as made:
        yield made


@pytest.fixture
def neighbour(rig: Rig, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Start a worker of a plain Celery app with a queue of its own on our broker."""
    with ExitStack() as running:

        def start(**options: str) -> Worker:
            env = {
                **os.environ,
                "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}",
                "CELERY_BROKER_URL": rig.broker.url(),
                "WITNESS_URL": rig.witness.url(),
                **options,
            }
            command = [sys.executable, "-m", "celery", "-A", "neighbour", "worker"]
            log = tmp_path / "neighbour.log"
            worker = Worker([*command, "-P", "threads", "-c", "4"], env, log)
            running.callback(worker.kill)
            return worker

        yield start
