"""Limpet's own services, started for the demo the way a user starts them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from celery import Celery
from kombu.exceptions import OperationalError

_ROOT: Final = Path(__file__).resolve().parent.parent
_OURS: Final = ("LIMPET_", "SESSION_", "CELERY_", "FLOWER_")
#: Supervisord waits 40 s for a worker in the middle of a page.
_STOP_SECONDS: Final = 45
_START_SECONDS: Final = 60
_FLOWER_PORTS: Final = range(5555, 5575)


class ServicesError(Exception):
    """The services did not start; the text says why."""


def without_settings() -> dict[str, str]:
    """Return this process's environment without what is a setting of ours."""
    return {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}


def manage(environment: Mapping[str, str], *arguments: str, stdin: str = "") -> str:
    """Run ``manage.py`` with *arguments*; return what it printed.

    Raises:
        ServicesError: it failed; the text is what it said.
    """
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=_ROOT,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ServicesError(done.stderr.strip())
    return done.stdout.strip()


class Services:
    """A context manager around ``manage.py up`` with a state folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        redis = _free_port()
        self.flower_port = _flower_port()
        self.broker = f"redis://127.0.0.1:{redis}/0"
        self._environment = {
            **without_settings(),
            "LIMPET_STATE_DIR": str(folder),
            "LIMPET_ENV_FILE": os.devnull,
            "LIMPET_EMBEDDED_REDIS_PORT": str(redis),
            "LIMPET_SNAPSHOT_INTERVAL_SECONDS": "5",
            # Jobs may not go to loopback, where the lab's site is, unless told so.
            "LIMPET_ALLOW_PRIVATE_HOSTS": "127.0.0.0/8",
            "FLOWER_PORT": str(self.flower_port),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self._folder / "services.log"

    def app(self) -> Celery:
        """Return a plain Celery app: all that a program needs to enqueue jobs."""
        return Celery(broker=self.broker, backend=self.broker)

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C reaches the demo alone, which ends this.
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=_ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_for_worker(self._process)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def manage(self, *arguments: str, stdin: str) -> str:
        """Run ``manage.py`` with *arguments*; return what it printed."""
        return manage(self._environment, *arguments, stdin=stdin)

    def close(self) -> None:
        """Stop everything in order; what does not stop in time is killed."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _wait_for_worker(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        app = self.app()
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServicesError(self.log.read_text().strip())
            with contextlib.suppress(OperationalError):
                if app.control.ping(timeout=0.5):
                    return
            time.sleep(0.1)
        raise ServicesError(f"no worker within {_START_SECONDS} s, see {self.log}")


def _free_port() -> int:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port
    except OSError as error:
        raise ServicesError(f"no free port for Redis: {error.strerror}") from None


def _flower_port() -> int:
    wanted = os.environ.get("FLOWER_PORT")
    if wanted and not (wanted.isdigit() and 0 < int(wanted) < 2**16):
        raise ServicesError(f"FLOWER_PORT: not a port from 1 to 65535: {wanted!r}")
    reason = ""
    for port in [int(wanted)] if wanted else _FLOWER_PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                reason = error.strerror or str(error)
                continue
            return port
    tried = wanted or f"{_FLOWER_PORTS[0]} to {_FLOWER_PORTS[-1]}"
    raise ServicesError(
        f"no free port for Flower ({tried}: {reason}); set FLOWER_PORT to a free one"
    )
