"""The processes of a worker's browser, and what is left of them."""

import contextlib
import os
import signal
from pathlib import Path


def _parent(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def family(pid: int) -> dict[int, str]:
    """Return the command lines of all that *pid* has started, and they have."""
    pids = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()]
    parents = {one: _parent(one) for one in pids}
    found: dict[int, str] = {}
    level = {pid}
    while level:
        level = {one for one, parent in parents.items() if parent in level}
        found |= {one: _command(one) for one in level}
    return found


def named(pid: int, *words: str) -> list[int]:
    """Return those of the family whose command line has all the *words*."""
    return [
        one
        for one, command in family(pid).items()
        if all(word in command for word in words)
    ]


def alive(pids: dict[int, str]) -> list[str]:
    """Return which of *pids* are still what they were."""
    return [f"{pid} {was[:60]}" for pid, was in pids.items() if was == _command(pid)]


def kill(*pids: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def drivers(pid: int) -> list[int]:
    """Return the drivers."""
    return named(pid, "playwright", "run-driver")


def browsers(pid: int) -> list[int]:
    """Return the browsers, without their renderers and helpers."""
    return [one for one in named(pid, "headless") if "--type=" not in _command(one)]


def renderers(pid: int) -> list[int]:
    return named(pid, "--type=renderer")
