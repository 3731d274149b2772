"""Which fetcher is used, and what others can bring."""

import sys
from pathlib import Path

import pytest

from limpet.errors import ConfigurationError
from limpet.settings import Settings
from tasks.fetching import fetcher_of
from tasks.http import Fetcher


def test_the_default_is_ours() -> None:
    assert isinstance(fetcher_of(Settings(_env_file=None)), Fetcher)


def test_an_installed_package_can_bring_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "theirs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0")
    (about / "entry_points.txt").write_text("[limpet.fetchers]\nmine = theirs:make\n")
    (tmp_path / "theirs.py").write_text("def make(settings): return settings.fetcher")
    monkeypatch.syspath_prepend(str(tmp_path))

    made: object = fetcher_of(Settings(_env_file=None, fetcher="mine"))

    assert made == "mine"
    sys.modules.pop("theirs", None)


def test_a_fetcher_that_nobody_brings_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"no fetcher 'mine' \(there are: curl"
    ):
        fetcher_of(Settings(_env_file=None, fetcher="mine"))


def test_a_file_of_authorities_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")

    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(ValueError, match="must be a PEM file with certificates"):
            Settings(_env_file=None, ca_file=tmp_path / name)
