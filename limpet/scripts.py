"""Lua scripts, kept in files beside the package that calls them.

A line ``--@include proxies/_health`` is replaced by that fragment, so a script that
Redis holds is always complete. Fragments start with an underscore.
"""

import hashlib
import re
from functools import cache
from importlib.resources import files

from redis import Redis
from redis.exceptions import NoScriptError

_INCLUDE = re.compile(r"^--@include (\w+)/(\w+)$", re.MULTILINE)


@cache
def source(package: str, name: str) -> str:
    """Return ``<package>/lua/<name>.lua``, includes resolved, comment lines dropped."""
    text = files(package).joinpath("lua", f"{name}.lua").read_text("utf-8")
    whole = _INCLUDE.sub(lambda found: source(found[1], found[2]), text)
    lines = (line for line in whole.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(line for line in lines if line.strip())


class Script:
    """One script, called by its hash.

    Not one of redis-py's own script objects: those ask ``SCRIPT EXISTS`` first in
    every pipeline. ``SCRIPT LOAD`` and not ``EVAL``, since Redis 7.4 evicts scripts
    that came by ``EVAL``.
    """

    def __init__(self, package: str, name: str) -> None:
        self.name = name
        self.source = source(package, name)
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def __call__(
        self, client: Redis, keys: list[str], args: list[str | int | float | bytes]
    ) -> object:
        """Run on *client*; a flushed script cache or a new replica costs one reload."""
        try:
            return client.evalsha(self.sha, len(keys), *keys, *args)
        except NoScriptError:
            client.script_load(self.source)
            return client.evalsha(self.sha, len(keys), *keys, *args)
