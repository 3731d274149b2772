"""Limpet in a storm: nothing that is promised breaks; with a bug planted, it is seen.

These run for minutes, and want the machine to themselves: ``make storms``.
"""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.storm.parts import ROOT
from tests.chaos.storm.storm import storm

pytestmark = pytest.mark.storm
Eventually = Callable[..., None]

_STORM = (sys.executable, "-m", "tests.chaos.storm")


def _found_out(bug: str, folder: Path) -> dict[str, int]:
    """Run a short storm with a *bug* as a user does; return how broken each rule is."""
    done = subprocess.run(
        [*_STORM, "--quick", "--seed", "6", "--bug", bug],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "rules are broken: seed 6" in done.stdout
    rows = re.findall(r"^\W+(\w[\w ]+\w) *│ +(\d+|no) *│", done.stdout, re.MULTILINE)
    return {name: 0 if count == "no" else int(count) for name, count in rows}


@pytest.mark.timeout(400)
def test_nothing_that_is_promised_breaks_in_a_storm(tmp_path: Path) -> None:
    found = storm(tmp_path, jobs=2000, seed=7, rate=25)

    assert [line for lines in found.verdict.values() for line in lines] == []
    killed = Counter(death.kind for death in found.history.deaths)
    assert set(killed) == {
        *("pool child", "worker", "machine", "frozen worker", "proxy"),
        *("broker", "session Redis", "beat", "Flower"),
    }
    assert len(found.history.jobs) == 2000
    assert found.redelivered > 0


@pytest.mark.timeout(300)
def test_a_worker_that_is_not_fenced_is_found_out(tmp_path: Path) -> None:
    broken = _found_out("unfenced", tmp_path)

    assert broken["each lease is settled once"] > 0


@pytest.mark.timeout(300)
def test_sessions_that_do_not_stay_are_found_out(tmp_path: Path) -> None:
    broken = _found_out("unsticky", tmp_path)

    assert broken["a session stays"] > 0
    assert broken["a session lasts"] == 0


@pytest.mark.timeout(300)
def test_a_worker_that_acknowledges_early_is_found_out(tmp_path: Path) -> None:
    broken = _found_out("early-ack", tmp_path)

    assert broken["no job is lost"] > 0
    assert broken["each lease is settled once"] == 0


@pytest.fixture
def raging(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A storm in a process of its own, in which all parts run."""
    process = subprocess.Popen(
        [*_STORM, "--quick"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("seed"):
            break
    yield process
    process.kill()
    process.communicate()


@pytest.mark.timeout(120)
def test_a_storm_that_is_interrupted_leaves_no_process(
    raging: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert len(_at_work(tmp_path)) > 25

    raging.send_signal(signal.SIGINT)
    raging.communicate(timeout=60)

    assert raging.returncode == 130
    assert _at_work(tmp_path) == []


@pytest.mark.timeout(120)
@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel to do it")
def test_a_storm_that_is_killed_leaves_no_process(
    raging: subprocess.Popen[str], tmp_path: Path, eventually: Eventually
) -> None:
    raging.kill()

    eventually(lambda: _at_work(tmp_path) == [], within=30)


def _at_work(folder: Path) -> list[int]:
    """Return the processes that know of *folder*, but for this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            known = (entry / "environ").read_bytes()
        except OSError:
            continue  # of somebody else, or gone
        if str(folder).encode() in known:
            found.append(int(entry.name))
    return found
