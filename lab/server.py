"""A lab process with several ports, each of which behaves in its own way."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_ROOT: Final = Path(__file__).resolve().parent.parent


class LabServer:
    """A context manager around ``python -m MODULE``; *ports* are known by name.

    Such a module prints ``ready`` and its ports as JSON when it serves.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._process: subprocess.Popen[str] | None = None
        self.ports: dict[str, int] = {}

    def __enter__(self) -> Self:
        kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self._process = subprocess.Popen(
            self._command,
            env={**kept, "PYTHONPATH": str(_ROOT)},
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        word, _, ports = self._process.stdout.readline().partition(" ")
        if word != "ready":
            self.close()
            raise RuntimeError(f"{self._command!r} did not start")
        self.ports = json.loads(ports)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.communicate()
