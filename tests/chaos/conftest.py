"""A broker of the test's own, which may be killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.queue_rig import Rig


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
