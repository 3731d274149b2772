"""Processes of ours, as a test starts them."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from celery import Celery

from tests.warm import Warm

ROOT = Path(__file__).resolve().parent.parent


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        # Flower 2.2 may hang when it is told to stop while it is still starting.
        process.kill()
        process.wait()


class Stack:
    """Processes of ours on a Redis and a state folder of their own."""

    def __init__(self, redis_port: int, folder: Path, warm: Warm) -> None:
        self._warm = warm
        self.redis_url = f"redis://127.0.0.1:{redis_port}/1"
        self.broker_url = f"redis://127.0.0.1:{redis_port}/0"
        self.folder = folder
        self.cwd = ROOT
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("LIMPET_")},
            "LIMPET_REDIS_URL": self.redis_url,
            "CELERY_BROKER_URL": self.broker_url,
            "LIMPET_STATE_DIR": str(folder),
            "LIMPET_ENV_FILE": os.devnull,
            # Where the lab is.
            "LIMPET_ALLOW_PRIVATE_HOSTS": "127.0.0.0/8",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "200",
        }
        self._open = ExitStack()

    def run(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python …`` to its end."""
        return subprocess.run(
            [sys.executable, *arguments],
            env={**self.environment, **environment},
            cwd=ROOT,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def manage(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python manage.py …`` to its end, in a process that `Warm` forks."""
        return self._warm.run(
            ["manage.py", *arguments],
            stdin=stdin,
            env={**self.environment, **environment},
        )

    def celery(
        self, *arguments: str, log: str, **environment: str
    ) -> subprocess.Popen[str]:
        """Start ``celery -A tasks …``; its output goes to *log* in the folder."""
        celery = str(Path(sys.executable).parent / "celery")
        return self.python(celery, "-A", "tasks", *arguments, log=log, **environment)

    def python(
        self, *arguments: str, log: str, **environment: str
    ) -> subprocess.Popen[str]:
        """Start ``python …`` in `cwd`; its output goes to *log* in the folder."""
        file = self._open.enter_context(self.log(log).open("w"))
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**self.environment, **environment},
            cwd=self.cwd,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._open.callback(_stop, process)
        return process

    def worker(
        self, name: str = "worker", *options: str, **environment: str
    ) -> subprocess.Popen[str]:
        """Start a worker and wait until it answers."""
        quiet = ("--without-gossip", "--without-mingle", "-n", f"{name}@test")
        process = self.celery("worker", *quiet, *options, log=name, **environment)
        deadline = time.monotonic() + 30
        while not self.app().control.ping(destination=[f"{name}@test"], timeout=0.3):
            assert process.poll() is None, self.log(name).read_text()
            assert time.monotonic() < deadline, self.log(name).read_text()
        return process

    def app(self) -> Celery:
        """Return a plain Celery app, as any other program has."""
        return Celery(broker=self.broker_url, backend=self.broker_url)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def said(self) -> list[tuple[str, str]]:
        """Return the last lines of each log, and how it is called."""
        return [
            (path.name, "\n".join(path.read_text(errors="replace").splitlines()[-12:]))
            for path in sorted(self.folder.glob("*.log"))
        ]

    def close(self) -> None:
        self._open.close()
