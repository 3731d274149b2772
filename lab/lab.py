"""The lab as processes: two sites, and proxies that can be killed one by one."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote

_ROOT = Path(__file__).resolve().parent.parent
#: Real passwords are not tame; this one breaks careless URL handling.
PASSWORD = "p@ss:w/rd#%1"  # noqa: S105 - of a proxy that lives for a test
#: Environment of every lab process: no proxy settings of the machine, no stray files.
_ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")},
    "PYTHONPATH": str(_ROOT),
    "PYTHONUNBUFFERED": "1",
}


class Visit(NamedTuple):
    """One page served: who asked for which page, and the address that was seen."""

    visitor: str
    page: int
    address: str


@dataclass(frozen=True, slots=True)
class ProxyProcess:
    """A running proxy; *line* is what a user would put into an import file."""

    scheme: str
    port: int
    user: str
    exit_address: str
    process: subprocess.Popen[str]

    @property
    def line(self) -> str:
        password = quote(PASSWORD, safe="")
        return f"{self.scheme}://{self.user}:{password}@127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End it as a crash would; its connections break."""
        self.process.kill()
        self.process.wait()


class Lab:
    """A context manager that starts everything and leaves nothing behind."""

    def __init__(self, *, proxies: int = 5) -> None:
        self._count = proxies
        self._processes: list[subprocess.Popen[str]] = []
        self.site_port = 0
        self.rude_port = 0
        self.proxies: list[ProxyProcess] = []

    @property
    def site(self) -> str:
        return f"http://127.0.0.1:{self.site_port}"

    @property
    def rude(self) -> str:
        """A site, and a proxy, that breaks every rule."""
        return f"http://127.0.0.1:{self.rude_port}"

    def __enter__(self) -> Self:
        try:
            site, rude = self._spawn("lab.site"), self._spawn("lab.rude")
            self.site_port, self.rude_port = _ready(site), _ready(rude)
            starts = [self._launch(number) for number in range(1, self._count + 1)]
            self.proxies = [finish() for finish in starts]
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
        """End every process."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.communicate()
        self._processes.clear()

    def visits(self, start: int = 0) -> list[Visit]:
        """Return the site's own log since `forget`, from entry *start* on."""
        return [Visit(*entry) for entry in json.loads(self._ask(f"/_log?from={start}"))]

    def forget(self) -> None:
        """Let the log begin here; nobody has been seen yet."""
        self._ask("/_forget", posted=b"")

    def _ask(self, path: str, posted: bytes | None = None) -> bytes:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.site}{path}", posted, timeout=10) as answer:
            text: bytes = answer.read()
            return text

    def _launch(self, number: int) -> Callable[[], ProxyProcess]:
        user, exit_address = f"user{number}", f"127.0.7.{number}"
        scheme = "http" if number % 2 else "socks5h"
        asked = ["--user", user, "--password", PASSWORD, "--exit-address", exit_address]
        process = self._spawn("lab.proxy", *asked)

        def finish() -> ProxyProcess:
            port = _ready(process)
            return ProxyProcess(scheme, port, user, exit_address, process)

        return finish

    def _spawn(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        # A session of its own: Ctrl-C reaches the demo alone, which ends the lab.
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=_ENVIRONMENT,
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._processes.append(process)
        return process


def _ready(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("ready "):
        raise RuntimeError(f"{process.args!r} did not start")
    return int(line.split()[1])
