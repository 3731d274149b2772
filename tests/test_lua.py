"""Every script says what it takes, and Redis accepts it."""

import re
from pathlib import Path

import pytest
from redis import Redis

from limpet.scripts import source

ROOT = Path(__file__).parent.parent
FILES = sorted(ROOT.glob("*/lua/*.lua"))
SCRIPTS = [path for path in FILES if not path.name.startswith("_")]


def _declared(text: str, slot: str) -> int:
    """Count what the header lists; a list may go on over several comment lines."""
    header = re.search(rf"^-- {slot}: ((?:.*\n)(?:--  .*\n)*)", text, re.MULTILINE)
    assert header, f"the header names no {slot}"
    return len(re.findall(r"(?:^|[ (])(\d+) [a-zA-Z]", header[1]))


def _used(text: str, slot: str) -> int:
    named = re.search(rf"^local ([\w,\s]+?)=\s+unpack\({slot}\)", text, re.MULTILINE)
    numbered = (int(n) for n in re.findall(rf"{slot}\[(\d+)\]", text))
    return max(len(named[1].split(",")) if named else 0, *numbered, 0)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("slot", ["KEYS", "ARGV"])
def test_the_header_counts_what_the_body_uses(path: Path, slot: str) -> None:
    text = path.read_text("utf-8")

    assert _declared(text, slot) == _used(text, slot)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_redis_compiles_it(path: Path, redis: Redis) -> None:
    whole = source(path.parent.parent.name, path.stem)

    assert "@include" not in whole
    assert redis.script_load(whole)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_script_says_what_it_is_for_first(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()

    assert lines[0].startswith("-- ")
    needed = "Gives:" if path.name.startswith("_") else "Returns:"
    assert any(line.startswith(f"-- {needed}") for line in lines)
