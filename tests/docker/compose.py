"""The shipped docker-compose.yml, with a project of its own."""

import json
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

from celery import Celery

from limpet.settings import ROOT

FILE = ROOT / "docker-compose.yml"
PASSWORDS = {
    "BROKER_PASSWORD": "brokerbrokerbroker",
    "SESSIONS_PASSWORD": "sessionssessions",
    "POSTGRES_PASSWORD": "postgrespostgres",
    "FLOWER_BASIC_AUTH": "me:flowerflower",
    "LIMPET_STATE_KEYS": "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=",
}


def free_port() -> int:
    """Return a port of loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Compose:
    """``docker compose`` in a folder with an .env made from the example."""

    def __init__(
        self,
        folder: Path,
        name: str,
        environment: dict[str, str],
    ) -> None:
        self.name = name
        self.broker_port, self.flower_port = free_port(), free_port()
        self.prometheus_port = free_port()
        self._environment = environment
        self._folder = folder
        # The file mounts it from its own folder.
        shutil.copytree(ROOT / "deploy", folder / "deploy")
        self.write(
            **PASSWORDS,
            BROKER_PORT=str(self.broker_port),
            FLOWER_PORT=str(self.flower_port),
            PROMETHEUS_PORT=str(self.prometheus_port),
        )

    def write(self, **values: str) -> None:
        """Fill in the example, as a user would."""
        text = (ROOT / ".env.example").read_text("utf-8")
        for name, value in values.items():
            line = re.compile(rf"^(# )?{name}=.*$", re.MULTILINE)
            text, found = line.subn(f"{name}={value}", text, count=1)
            text += "" if found else f"{name}={value}\n"
        (self._folder / ".env").write_text(text)

    def set(self, **values: str) -> None:
        """Add settings to .env."""
        with (self._folder / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in values.items())

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [
            *("docker", "compose", "--ansi", "never", "--project-name", self.name),
            *("--project-directory", str(self._folder), "--file", str(FILE)),
        ]
        return subprocess.run(
            [*command, *arguments],
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )

    def do(self, *arguments: str, stdin: str = "") -> str:
        """Run a command that has to succeed; return what it printed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"{done.stderr[-3000:]}\n{self._story()}"
        return done.stdout

    def inside(self, service: str, *command: str, stdin: str = "") -> str:
        """Run *command* in a container of *service*."""
        return self.do("exec", "-T", service, *command, stdin=stdin)

    def containers(self) -> list[dict[str, Any]]:
        """Return what ``docker inspect`` says of each container."""
        ids = self.do("ps", "--all", "--quiet").split()
        return json.loads(self.docker("inspect", *ids)) if ids else []

    def docker(self, *arguments: str) -> str:
        done = subprocess.run(
            ["docker", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        )
        return done.stdout

    def left(self) -> list[str]:
        """Return the containers, volumes and networks that there are."""
        of_ours = ("--filter", f"label=com.docker.compose.project={self.name}")
        return [
            line
            for kind in (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
            for line in self.docker(*kind, "--quiet", *of_ours).split()
        ]

    def app(self) -> Celery:
        """Return a plain Celery app of a program outside."""
        password = PASSWORDS["BROKER_PASSWORD"]
        url = f"redis://:{password}@127.0.0.1:{self.broker_port}/0"
        return Celery(broker=url, backend=url)

    def _story(self) -> str:
        return self.run("logs", "--tail", "15").stdout[-8000:]
