"""Which program is the browser, and what is said where there is none."""

from pathlib import Path

import pytest

from limpet.errors import ConfigurationError, NoBrowser
from limpet.settings import Settings
from tasks.browser.finding import find


@pytest.fixture(autouse=True)
def _afresh() -> None:
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


def test_a_file_that_is_not_there_is_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from limpet.settings import settings  # noqa: PLC0415 - with the cache of its own

    monkeypatch.setenv("LIMPET_CHROMIUM", "/no/such/browser")
    settings.cache_clear()

    try:
        with pytest.raises(ConfigurationError, match="LIMPET_CHROMIUM: must be a file"):
            settings()
    finally:
        settings.cache_clear()
    assert Settings.model_fields["chromium"].default is None
