"""Every script says what it takes, and Redis accepts it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from redis import Redis

from limpet.scripts import source
from proxies.strategies import dispatch, strategies

ROOT = Path(__file__).parent.parent
FILES = sorted(ROOT.glob("*/lua/*.lua"))
SCRIPTS = [path for path in FILES if not path.name.startswith("_")]


def _name(path: Path) -> str:
    return f"{path.relative_to(ROOT).parts[0]}/{path.stem}"


def _declared(text: str, slot: str) -> int:
    """Count what the header lists; a list may go on over several comment lines."""
    header = re.search(rf"^-- {slot}: ((?:.*\n)(?:--  .*\n)*)", text, re.MULTILINE)
    assert header, f"the header names no {slot}"
    if header[1].startswith("as in sessions/_keys"):
        assert "--@include sessions/_keys" in text
        return _used(text, slot)
    return len(re.findall(r"(?:^|[ (])(\d+) [a-zA-Z]", header[1]))


def _used(text: str, slot: str) -> int:
    named = re.search(rf"^local ([\w,\s]+?)=\s+unpack\({slot}\)", text, re.MULTILINE)
    # ARGV[6], unpack(ARGV, 6), for i = 6, #ARGV: a list of any length begins there.
    places = rf"{slot}\[(\d+)\]|{slot}, (\d+)|for i = (\d+), #{slot}"
    numbered = (int("".join(found)) for found in re.findall(places, text))
    return max(len(named[1].split(",")) if named else 0, *numbered, 0)


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
@pytest.mark.parametrize("slot", ["KEYS", "ARGV"])
def test_the_header_counts_what_the_body_uses(path: Path, slot: str) -> None:
    text = path.read_text("utf-8")

    assert _declared(text, slot) == _used(text, slot)


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_redis_compiles_it(path: Path, redis: Redis) -> None:
    inserts = {"strategies": dispatch(strategies())}
    whole = source(path.parent.parent.name, path.stem, inserts)

    assert not re.search(r"--@\w+", whole)
    assert redis.script_load(whole)


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_a_whole_script_uses_no_name_that_is_not_there(
    path: Path, tmp_path: Path
) -> None:
    if shutil.which("luacheck") is None:
        assert "CI" not in os.environ, "luacheck is missing: apt-get install lua-check"
        pytest.skip("luacheck is not installed")
    inserts = {"strategies": dispatch(strategies())}
    whole = tmp_path / f"{path.stem}.lua"
    whole.write_text(source(path.parent.parent.name, path.stem, inserts))

    # 11.: a global is read or written. What a fragment gives may be unused here.
    command = ["luacheck", "--no-config", "--std", "lua51", "--only", "11."]
    names = ["--read-globals", "redis", "KEYS", "ARGV", "cjson"]
    found = subprocess.run(
        [*command, *names, "--", whole], capture_output=True, text=True, check=False
    )

    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_script_says_what_it_is_for_first(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()

    assert lines[0].startswith("-- ")
    fragment = path.name.startswith("_") or path.parent.name == "strategies"
    needed = "Gives:" if fragment else "Returns:"
    assert any(line.startswith(f"-- {needed}") for line in lines)
