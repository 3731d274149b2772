"""A process that is killed, frozen and started again, with all that it has started."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
#: Has the kernel kill a part when the harness is gone, however that went.
_WATCH: Final = shutil.which("setpriv")


class Part:
    """One process of the stage; its output is appended to ``NAME.log``."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        folder: Path,
        target: str = "",
    ) -> None:
        """*target* is what the site knows it by, if that is not its name."""
        self.name, self.target = name, target or name
        self.log = folder / f"{name}.log"
        watch = [_WATCH, "--pdeathsig", "KILL", "--"] if _WATCH else []
        self._command = [*watch, *command]
        self._env = dict(env)
        self._process: subprocess.Popen[bytes] | None = None
        self.frozen = False

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; what is left of the last one goes first."""
        self.kill(whole=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own: Ctrl-C reaches the harness alone, which ends it.
                start_new_session=True,
            )

    def kill(self, *, whole: bool = False) -> None:
        """Kill it at once; what it has started goes on, unless the *whole* is meant."""
        self.frozen = False
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if whole:
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()

    def children(self) -> list[int]:
        """Return the processes that it has started itself, the oldest first."""
        assert self._process is not None
        pid = self._process.pid
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
            return sorted(map(int, text.split()))
        return []

    def freeze(self) -> None:
        self.frozen = True
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.frozen = False
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Tell it to end; `ended` waits until it has."""
        if self.alive:
            assert self._process is not None
            self._process.terminate()

    def ended(self, *, within: float) -> bool:
        """Wait until it has ended; one that does not is killed."""
        if self._process is None:
            return True
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            return False
        finally:
            self.kill(whole=True)
        return True

    def _signal(self, number: int) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
