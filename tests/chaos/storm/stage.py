"""All that takes part: two Redis, a site, proxies, workers, beat and Flower."""

import json
import os
import random
import shutil
import socket
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

from celery import Celery
from redis import Redis
from redis.exceptions import RedisError

from lab.lab import PASSWORD
from lab.services import ServicesError, manage, without_settings
from limpet.embedded import server_command
from proxies import parse_proxy
from tests.chaos.storm import plan
from tests.chaos.storm.parts import ROOT, Part

#: Below the ports that systems give to outgoing connections: a part gets its own back.
_PORTS: Final = range(15_000, 32_000)
_THREADS: Final = ("-P", "threads", "-c", "16")
_WORKERS: Final = {
    "threads-1": (*_THREADS, "-Q", "scrape,upkeep,webhooks"),
    "threads-2": (*_THREADS, "-Q", "scrape,upkeep,webhooks"),
    # Celery takes "prefork" for not having been said.
    "prefork": ("-P", "processes", "-c", "3", "-Q", "scrape"),
}
_START_SECONDS: Final = 90


class Stage:
    """A context manager; everything is in *folder*, and ends with it."""

    def __init__(self, folder: Path, *, bug: str = "") -> None:
        """*bug* is one of those that `planted` has."""
        self.folder = folder
        self._ports = _free_ports()
        ports = {name: next(self._ports) for name in ("broker", "sessions", "site")}
        self.flower_port = next(self._ports)
        self.site_url = f"http://127.0.0.1:{ports['site']}"
        self.broker_url = f"redis://127.0.0.1:{ports['broker']}/0"
        self.results_url = f"redis://127.0.0.1:{ports['broker']}/1"
        self.sessions_url = f"redis://127.0.0.1:{ports['sessions']}/0"
        self.env = self._environment(bug)
        self._app = "tests.chaos.storm.planted" if bug else "tasks"
        self.exits: dict[str, str] = {}
        self._lines: list[str] = []
        self.broker = self._redis("broker", ports["broker"], "broker")
        self.sessions = self._redis("sessions", ports["sessions"], "session Redis")
        module = ("-m", "tests.chaos.storm.site", str(ports["site"]))
        self.site = self._part("site", sys.executable, *module)
        self.proxies = [self._proxy(n) for n in range(1, plan.PROXIES + 1)]
        self.workers = [self._worker(name) for name in _WORKERS]
        self.beat = self._celery("beat", "beat")
        flower = ("flower", f"--port={self.flower_port}", "--address=127.0.0.1")
        self.flower = self._celery("Flower", *flower)

    @property
    def parts(self) -> list[Part]:
        services = [*self.workers, self.beat, self.flower]
        return [self.broker, self.sessions, self.site, *self.proxies, *services]

    def app(self) -> Celery:
        """Return what sends jobs: a plain app, which asks for no results."""
        made = Celery(broker=self.broker_url)
        made.conf.broker_transport_options = {
            "socket_timeout": 2,
            "socket_connect_timeout": 2,
        }
        return made

    def waits(self, worker: Part) -> bool:
        """Whether *worker* waits for a page, so that it has a lease and a job."""
        return worker.target in json.loads(get(f"{self.site_url}/_busy"))

    def redis(self, url: str) -> Redis:
        return Redis.from_url(url, socket_timeout=10, decode_responses=True)

    def __enter__(self) -> Self:
        try:
            self._start()
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

    def close(self) -> None:
        """Kill everything that is there."""
        for part in reversed(self.parts):
            part.kill(whole=True)

    def stop_services(self) -> None:
        """Tell workers, beat and Flower to end, and wait until they have."""
        services = [self.beat, self.flower, *self.workers]
        for part in services:
            part.stop()
        for part in services:
            part.ended(within=30)

    # --- starting ---------------------------------------------------------------

    def _start(self) -> None:
        first = [self.broker, self.sessions, self.site, *self.proxies]
        for part in first:
            part.start()
        for url in (self.broker_url, self.sessions_url):
            self._until(lambda url=url: self._answers(url), "Redis")  # type: ignore[misc] # mypy takes url for missing
        manage(self.env, "migrate")
        manage(self.env, "proxies", "import", "-", stdin="\n".join(self._lines))
        for part in (*self.workers, self.beat, self.flower):
            part.start()
        names = {f"{name}@storm" for name in _WORKERS}
        app = self.app()
        self._until(lambda: set(answering(app)) == names, "workers")

    def _answers(self, url: str) -> bool:
        try:
            return bool(self.redis(url).ping())
        except RedisError:
            return False

    def _until(self, holds: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not holds():
            for part in self.parts:
                if part.log.exists() and not part.alive:
                    raise ServicesError(f"{part.name} has ended, see {part.log}")
            if time.monotonic() > deadline:
                raise ServicesError(f"no {what} in {_START_SECONDS} s: {self.folder}")
            time.sleep(0.05)

    # --- what there is ----------------------------------------------------------

    def _environment(self, bug: str) -> dict[str, str]:
        kept = without_settings()
        seconds = {
            "VISIBILITY_TIMEOUT": plan.VISIBILITY,
            "JOB_TIMEOUT": plan.TIMEOUT,
            # Proxies that come back are tried again soon: the pool stays usable.
            "PROXY_COOLDOWN": 4,
            "SETTLE_INTERVAL": 2,
            "AUDIT_INTERVAL": 2,
            "SNAPSHOT_INTERVAL": 5,
        }
        return {
            **{k: v for k, v in kept.items() if not k.lower().endswith("_proxy")},
            **{f"LIMPET_{name}_SECONDS": str(value) for name, value in seconds.items()},
            "CELERY_BROKER_URL": self.broker_url,
            "CELERY_RESULT_BACKEND": self.results_url,
            "LIMPET_REDIS_URL": self.sessions_url,
            "LIMPET_STATE_DIR": str(self.folder / "state"),
            "LIMPET_ENV_FILE": os.devnull,
            "LIMPET_ALLOW_PRIVATE_HOSTS": "127.0.0.0/8",
            "LIMPET_LOG_LEVEL": "INFO",
            # So much dies here that a job may meet more of it than is allowed for.
            "LIMPET_JOB_MAX_TRIES": "50",
            "LIMPET_JOB_MAX_LOSSES": "100",
            "LIMPET_SESSION_MAX_REBINDS_PER_HOUR": "1000",
            # However slow a storm is: what ends a session is to be the storm.
            "SESSION_TIMEOUT_MINUTES": "1440",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "200",
            **({"STORM_BUG": bug} if bug else {}),
        }

    def _part(self, name: str, *command: str, **options: Any) -> Part:
        env = {**self.env, **options.pop("env", {})}
        return Part(name, command, env=env, folder=self.folder, **options)

    def _celery(self, name: str, *arguments: str, **options: Any) -> Part:
        celery = (sys.executable, "-m", "celery", "-A", self._app)
        return self._part(name, *celery, *arguments, **options)

    def _worker(self, name: str) -> Part:
        quiet = ("--without-gossip", "--without-mingle", "-n", f"{name}@storm")
        # The site's log tells by this who has come.
        mine = {"LIMPET_USER_AGENT": name}
        return self._celery(name, "worker", *quiet, *_WORKERS[name], env=mine)

    def _redis(self, name: str, port: int, target: str) -> Part:
        command = server_command(port, self.folder / f"redis-{name}")
        command[0] = _debian_server() or command[0]
        # What was answered is on disk: by the second, a kill may cost what was not
        # written yet.
        command += ["--appendfsync", "always"]
        return self._part(name, *command, target=target)

    def _proxy(self, number: int) -> Part:
        user, exit_address = f"user{number}", f"127.0.7.{number}"
        port, scheme = next(self._ports), "http" if number % 2 else "socks5h"
        line = f"{scheme}://{user}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"
        self._lines.append(line)
        self.exits[parse_proxy(line).id] = exit_address
        asked = ("--user", user, "--password", PASSWORD, "--exit-address", exit_address)
        command = (sys.executable, "-m", "lab.proxy", "--port", str(port), *asked)
        return self._part(f"proxy-{number}", *command, target=exit_address)


def answering(app: Celery) -> list[str]:
    """Return the names of the workers that answer."""
    return [name for one in app.control.ping(timeout=1) or [] for name in one]


def get(url: str) -> str:
    """Return what is there; raises OSError or HTTPException."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def _debian_server() -> str | None:
    # An active environment has the embedded server under the same name.
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    outside = [one for one in folders if not one.startswith(sys.prefix)]
    outside = [one for one in outside if Path(one) != Path(sys.executable).parent]
    return shutil.which("redis-server", path=os.pathsep.join(outside))


def _free_ports() -> Any:
    taken = list(_PORTS)
    random.shuffle(taken)
    for port in taken:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                yield port
