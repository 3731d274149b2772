"""How a proxy is chosen: one small Lua file a strategy, run inside Redis.

A strategy ends with ``return by_turns(turns)`` or ``return by_lot(draws, load)``.
``turns`` is a function of a proxy that says how many turns one choice costs it: the
proxy whose turn is lowest is chosen. ``load`` is one too: of *draws* proxies drawn by
lot, the one with the lowest load is chosen, any one without it. A proxy has the fields
``inflight``, ``sessions``, ``weight`` and ``ema`` (milliseconds). What is chosen is
always usable, allowed and below its limit; a strategy need not look after that.
Turns are above 0, a load is 0 or above.
"""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from limpet.errors import ConfigurationError

_NAME: Final = re.compile(r"^[a-z][a-z0-9_]{0,31}$")


@cache
def strategies(own: Path | None = None) -> dict[str, str]:
    """Return the source of every strategy by name, with those in the folder *own*.

    Raises:
        ConfigurationError: the folder or a file in it cannot be used.
    """
    found = {
        Path(file.name).stem: file.read_text("utf-8")
        for file in files("proxies").joinpath("lua", "strategies").iterdir()
        if file.name.endswith(".lua")
    }
    if own is None:
        return found
    if not own.is_dir():
        raise ConfigurationError(f"LIMPET_STRATEGIES_DIR: {own} is not a folder")
    for path in sorted(own.glob("*.lua")):
        if not _NAME.match(path.stem) or path.stem in found:
            raise ConfigurationError(
                f"LIMPET_STRATEGIES_DIR: {path.name} is not a name that a strategy may "
                "have (small letters, digits and _, none of ours)"
            )
        try:
            found[path.stem] = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise ConfigurationError(
                f"LIMPET_STRATEGIES_DIR: {path.name} cannot be read"
            ) from None
    return found


def dispatch(sources: dict[str, str]) -> str:
    """Return the Lua statement that runs the strategy named by ``strategy``."""
    cases = (
        f'if strategy == "{name}" then\ndo {sources[name]}\nend\nend'
        for name in sorted(sources)
    )
    return "\n".join(cases)
