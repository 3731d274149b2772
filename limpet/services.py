"""All services on one machine: what ``make up`` runs, under supervisord.

Supervisord restarts what dies and stops in order: Redis goes last, so that workers
can still give back what they hold.
"""

import contextlib
import errno
import fcntl
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from types import SimpleNamespace
from typing import Final

from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.states import ProcessStates, SupervisorStates
from supervisor.supervisord import Supervisor

from limpet.embedded import server_command
from limpet.errors import ConfigurationError
from limpet.names import RENDER_QUEUE, SCRAPE_QUEUE, UPKEEP_QUEUE, WEBHOOK_QUEUE
from limpet.settings import ROOT, Settings

_FLOWER_PORT: Final = 5555
#: A worker may be in the middle of a page; so long is for what comes after it.
_AFTER_A_PAGE: Final = 10
#: And so long for a page in a browser: its storage, and the browser's own end.
_AFTER_A_RENDER: Final = 30
#: Jobs, however many, hold up nothing else: that has a small worker of its own.
_REST: Final = f"{UPKEEP_QUEUE},{WEBHOOK_QUEUE}"
_REST_THREADS: Final = 4
#: The others have nothing to finish.
_STOP: Final = 5


@dataclass(frozen=True, slots=True)
class Service:
    """A process to run; those of a lower *rank* start earlier and stop later.

    It is killed if it has not stopped within *stop_seconds*.
    """

    name: str
    command: list[str]
    rank: int
    stop_seconds: int = _STOP


def services(config: Settings) -> list[Service]:
    """Return what has to run here: Redis only if none is set."""
    celery = [sys.executable, "-m", "celery", "-A", "tasks"]
    worker = [*celery, "worker", "--without-gossip", "--without-mingle", "-n"]
    stop = ceil(config.job_timeout_seconds) + _AFTER_A_PAGE
    pages = ["-Q", RENDER_QUEUE, "-c", str(config.render_contexts)]
    stop_pages = ceil(config.render_timeout_seconds) + _AFTER_A_RENDER
    rest = ["-Q", _REST, "-c", str(_REST_THREADS)]
    found = [
        Service("scrape", [*worker, "scrape@%h", "-Q", SCRAPE_QUEUE], 20, stop),
        # Pages in a browser, which take long, would take the others' threads.
        Service("render", [*worker, "render@%h", *pages], 20, stop_pages),
        Service("upkeep", [*worker, "upkeep@%h", *rest], 20, stop),
        Service("beat", [*celery, "beat"], 20),
        Service("flower", [*celery, "flower"], 20),
    ]
    if config.embedded_redis:
        command = server_command(config.embedded_redis_port, config.state_dir / "redis")
        found.insert(0, Service("redis", command, 10))
    return found


def flower_address() -> tuple[str, int]:
    """Return host and port that Flower will listen on.

    Raises:
        ConfigurationError: ``FLOWER_PORT`` is no port.
    """
    host = os.environ.get("FLOWER_ADDRESS") or "127.0.0.1"
    port = os.environ.get("FLOWER_PORT") or str(_FLOWER_PORT)
    if not port.isdigit() or not 0 < int(port) < 2**16:
        raise ConfigurationError(f"FLOWER_PORT: not a port from 1 to 65535: {port!r}")
    return host, int(port)


def flower_options() -> SimpleNamespace:
    """Return what decides who can reach Flower, as it will read it itself."""
    names = ("address", "unix_socket", "basic_auth", "auth")
    found = {name: os.environ.get(f"FLOWER_{name.upper()}", "") for name in names}
    return SimpleNamespace(**found)


@contextlib.contextmanager
def alone(config: Settings) -> Iterator[None]:
    """Have the state folder to ourselves: two servers would garble each other's data.

    Raises:
        ConfigurationError: another one has it.
    """
    folder = config.make_state_dir()
    with (folder / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"LIMPET_STATE_DIR: another `make up` uses {str(folder)!r}; stop it or "
                "set another LIMPET_STATE_DIR, and other ports"
            ) from None
        yield


def check_ports(config: Settings) -> None:
    """Make sure that every port is free before anything is started.

    Raises:
        ConfigurationError: a line for each port that is not, and the variable to set.
    """
    wanted = [(*flower_address(), "Flower", "FLOWER_PORT")]
    if config.embedded_redis:
        redis = ("127.0.0.1", config.embedded_redis_port)
        wanted.append((*redis, "the embedded Redis", "LIMPET_EMBEDDED_REDIS_PORT"))
    problems = [
        f"{variable}: port {port} for {what} cannot be used ({reason}); stop what uses "
        "it (another `make up`?) or set another port, and for a second `make up` "
        "another LIMPET_STATE_DIR too"
        for host, port, what, variable in wanted
        if (reason := _why_not(host, port))
    ]
    if problems:
        raise ConfigurationError(*problems)


def _why_not(host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            return "already in use" if taken else error.strerror or str(error)
    return ""


class _Supervisor(Supervisor):  # type: ignore[misc] # it has no types
    """Supervisord, which does not stop what it is only just starting.

    A signal that reaches a child between its fork and its exec is lost, and the child
    would be waited for in vain. It ends when a service cannot be kept running: *failed*
    is its name.
    """

    failed = ""
    _first_look = 0.0

    def tick(self, now: float | None = None) -> None:
        super().tick(now)
        for group in self.process_groups.values():
            for name, process in group.processes.items():
                if process.get_state() == ProcessStates.FATAL and not self.failed:
                    self.failed = name
                    self.options.mood = SupervisorStates.SHUTDOWN

    def handle_signal(self) -> None:
        now = time.monotonic()
        self._first_look = self._first_look or now
        if now - self._first_look >= 1:
            super().handle_signal()


def supervise(config: Settings) -> None:
    """Run `services` until this process is told to stop.

    Raises:
        ConfigurationError: one of them ends again and again; all are stopped.
    """
    folder = config.make_state_dir()
    file = folder / "supervisord.conf"
    file.write_text(configuration(services(config), folder))
    os.environ["PYTHONPATH"] = str(ROOT)
    options = ServerOptions()
    options.realize(["-n", "-c", str(file)], doc=__doc__)
    options.first, options.test = True, False
    supervisor = _Supervisor(options)
    with contextlib.suppress(ExitNow):  # how it returns
        supervisor.main()
    if supervisor.failed:
        raise ConfigurationError(
            f"{supervisor.failed} does not stay up, so everything was stopped; its own "
            "last lines above say why"
        )


def configuration(found: list[Service], folder: Path) -> str:
    """Return supervisord's configuration of the services; logs go to this terminal."""
    user = "user=root\n" if os.getuid() == 0 else ""
    head = (
        f"[supervisord]\nnodaemon=true\nsilent=true\n{user}"
        f"logfile={_escape(str(folder / 'supervisord.log'))}\n"
        f"pidfile={_escape(str(folder / 'supervisord.pid'))}\n"
    )
    return head + "".join(map(_program, found))


def _program(service: Service) -> str:
    return (
        f"\n[program:{service.name}]\n"
        f"command={_escape(shlex.join(service.command))}\n"
        f"directory={_escape(str(ROOT))}\n"
        f"priority={service.rank}\n"
        f"stopwaitsecs={service.stop_seconds}\n"
        # A service that cannot start may take seconds to find out.
        "autorestart=true\nstartsecs=10\nstartretries=3\n"
        "stdout_logfile=/dev/fd/1\nstdout_logfile_maxbytes=0\nredirect_stderr=true\n"
    )


def _escape(text: str) -> str:
    return text.replace("%", "%%")
