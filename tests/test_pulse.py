"""The sign of life that health checks of containers look at."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from limpet import pulse
from tests.stack import ROOT, Stack

Eventually = Callable[..., None]


def _check(file: Path | str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "limpet.pulse"],
        env={"PYTHONPATH": str(ROOT), "LIMPET_PULSE_FILE": str(file)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_who_has_just_told_is_at_work(tmp_path: Path) -> None:
    pulse.tell(tmp_path / "pulse")

    assert _check(tmp_path / "pulse").returncode == 0


def test_who_was_silent_for_long_is_not(tmp_path: Path) -> None:
    file = tmp_path / "pulse"
    pulse.tell(file)
    os.utime(file, (time.time() - 40,) * 2)

    done = _check(file)

    assert done.returncode == 1
    assert "40 s old" in done.stderr


@pytest.mark.parametrize("name", ["", "missing"])
def test_who_has_never_told_is_not(tmp_path: Path, name: str) -> None:
    assert _check(tmp_path / name if name else "").returncode == 1


def test_a_file_that_cannot_be_written_disturbs_nobody(tmp_path: Path) -> None:
    pulse.tell(tmp_path / "no" / "folder")
    pulse.tell(None)


def test_a_worker_and_beat_tell_and_go_on_telling(
    stack: Stack, tmp_path: Path, eventually: Eventually
) -> None:
    files = [tmp_path / "worker.pulse", tmp_path / "beat.pulse"]
    stack.worker(LIMPET_PULSE_FILE=str(files[0]))
    stack.celery("beat", log="beat", LIMPET_PULSE_FILE=str(files[1]))
    for file in files:
        eventually(file.exists, within=30)
        os.utime(file, (0, 0))

    for file in files:
        eventually(lambda file=file: file.stat().st_mtime > 0, within=30)
