"""Lua scripts, kept in files beside the package that calls them.

A line ``--@include proxies/_index`` is replaced by that fragment, so a script that
Redis holds is always complete. Fragments start with an underscore. ``--@insert name``
is replaced by what the program gives under that name; ``keys`` are those of a pool
that the script names, or that it names until there are ``later_keys``.
"""

import hashlib
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from redis import Redis
from redis.exceptions import NoScriptError

from limpet.keys import lua_locals
from limpet.lines import Arg, send

_INCLUDE: Final = re.compile(r"^--@include (\w+)/(\w+)$", re.MULTILINE)
_INSERT: Final = re.compile(r"^ *--@insert (\w+)$", re.MULTILINE)
_LATER: Final = "--@insert later_keys"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@cache
def _whole(package: str, name: str) -> str:
    text = files(package).joinpath("lua", f"{name}.lua").read_text("utf-8")
    return _INCLUDE.sub(lambda found: _whole(found[1], found[2]), text)


def source(package: str, name: str, inserts: Mapping[str, str] = _NOTHING) -> str:
    """Return ``<package>/lua/<name>.lua``, complete and without comment lines.

    Raises `KeyError` for an insert that *inserts* does not have.
    """
    return _source(package, name, tuple(inserts.items()))


# One for each pool would take 8 ms of each process.
@lru_cache(maxsize=256)
def _source(package: str, name: str, inserts: tuple[tuple[str, str], ...]) -> str:
    text = _whole(package, name)
    first, *later = (_bare(part) for part in text.split(_LATER))
    given = {"keys": lua_locals(first), **dict(inserts)}
    for part in later:
        given["later_keys"] = lua_locals(part, known=first)
    whole = _INSERT.sub(lambda found: given[found[1]], text)
    return _bare(whole)


def _bare(text: str) -> str:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(line for line in lines if line.strip())


#: Times that a script is loaded for one call: somebody may be flushing them.
_RELOADS: Final = 3


class Script:
    """One script, called by its hash.

    Not one of redis-py's own script objects: those ask ``SCRIPT EXISTS`` first in
    every pipeline. ``SCRIPT LOAD`` and not ``EVAL``, since Redis 7.4 evicts scripts
    that came by ``EVAL``.
    """

    def __init__(
        self, package: str, name: str, inserts: Mapping[str, str] = _NOTHING
    ) -> None:
        self.name = name
        self.source = source(package, name, inserts)
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, client: Redis, keys: list[str], args: list[Arg]) -> object:
        """Run on *client*; a flushed script cache or a new replica costs one reload."""
        command = self.command(keys, args)
        for _ in range(_RELOADS):
            try:
                return send(client, command)
            except NoScriptError:
                client.script_load(self.source)
        return send(client, command)

    def command(self, keys: list[str], args: list[Arg]) -> list[Arg]:
        """Return the whole command, for a pipeline; the script may not be loaded."""
        return ["EVALSHA", self.sha, len(keys), *keys, *args]
