"""Which program is the browser, and what is said where there is none."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from limpet.errors import BrowserFailed, ConfigurationError, NoBrowser
from limpet.settings import Settings
from tasks.browser.finding import find
from tasks.browser.process import Process


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    find.cache_clear()
    yield
    # What was found here is no browser for other tests.
    find.cache_clear()


def _program(path: Path, text: bytes) -> Path:
    path.write_bytes(text)
    path.chmod(0o755)
    return path


def test_the_browser_that_is_asked_for_is_taken(tmp_path: Path) -> None:
    program = _program(tmp_path / "mine", b"\x7fELF rest")

    assert find(program) == program


def test_of_a_script_of_the_distribution_the_program_that_it_runs(
    tmp_path: Path,
) -> None:
    program = _program(tmp_path / "chromium-shell", b"\x7fELF rest")
    script = _program(tmp_path / "start", f'#!/bin/sh\n{program} "$@"\n'.encode())

    assert find(script) == program


def test_the_headless_shell_goes_before_the_whole_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("chromium", "chromium-headless-shell"):
        _program(tmp_path / name, b"\x7fELF rest")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find(None) == tmp_path / "chromium-headless-shell"


def test_without_one_it_is_said_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))

    with pytest.raises(NoBrowser) as error:
        find(None)

    text = str(error.value)
    assert "apt-get install chromium-headless-shell" in text
    assert "playwright install" in text
    assert "LIMPET_CHROMIUM" in text
    assert "\n" not in text


def test_what_a_program_says_that_is_no_browser_is_in_the_log(tmp_path: Path) -> None:
    program = _program(tmp_path / "other", b"#!/bin/sh\necho no display >&2; exit 3\n")
    config = Settings(_env_file=None, state_dir=tmp_path)

    with capture_logs() as logs, pytest.raises(BrowserFailed):
        asyncio.run(Process.start(config, program, None))

    [told] = [one for one in logs if one["event"] == "browser_did_not_start"]
    assert (told["program"], told["said"]) == (str(program), "no display")


@pytest.mark.parametrize(
    ("name", "says"), [("none", "must be a file"), ("text", "must be a program")]
)
def test_what_is_no_program_is_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, says: str
) -> None:
    from limpet.settings import settings  # noqa: PLC0415 - with the cache of its own

    (tmp_path / "text").write_text("no program")
    monkeypatch.setenv("LIMPET_CHROMIUM", str(tmp_path / name))
    settings.cache_clear()

    try:
        with pytest.raises(ConfigurationError, match=f"LIMPET_CHROMIUM: {says}"):
            settings()
    finally:
        settings.cache_clear()
    assert Settings.model_fields["chromium"].default is None
