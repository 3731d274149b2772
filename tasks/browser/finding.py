"""Which program is the browser."""

import re
import shutil
from functools import cache
from pathlib import Path
from typing import Final

from limpet.errors import NoBrowser

#: In this order: a page takes the first one 0.15 s and 32 MB, the second 0.5 s and 61.
_NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser")
_ELF: Final = b"\x7fELF"
_PATH: Final = re.compile(rb"(?<![\w./-])/[\w./+-]+")
_SAYS: Final = (
    "install one with `apt-get install chromium-headless-shell` (Debian) or `python -m "
    "playwright install --with-deps --only-shell chromium`, or set LIMPET_CHROMIUM"
)


@cache
def find(asked: Path | None) -> Path | None:
    """Return the program that was *asked* for, or the best there is.

    `None` stands for Playwright's own, which Playwright finds.

    Raises:
        NoBrowser: there is none, or no Playwright.
    """
    try:
        import playwright  # noqa: F401, PLC0415 - an extra, which workers may lack
    except ModuleNotFoundError:
        raise NoBrowser(
            "Playwright is missing: install the extra `render` (pip install playwright)"
        ) from None
    if asked:
        return _program(asked)
    for name in _NAMES:
        if found := shutil.which(name):
            return _program(Path(found))
    if _has_own():
        return None
    raise NoBrowser(_SAYS)


def _program(path: Path) -> Path:
    """Return what a script of the distribution runs: to kill that is to kill it."""
    if _is_program(path):
        return path
    for one in _PATH.findall(path.read_bytes()[:4096]):
        named = Path(one.decode())
        if named.name.startswith("chrom") and named.is_file() and _is_program(named):
            return named
    return path


def _is_program(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_ELF)) == _ELF


def _has_own() -> bool:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - an extra

    with sync_playwright() as started:
        return Path(started.chromium.executable_path).is_file()
