"""The page about politeness names settings that exist, and an example that counts."""

import re
from pathlib import Path

import pytest

from limpet.settings import Settings, variables

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "politeness.md").read_text("utf-8")


def test_every_setting_that_is_named_exists() -> None:
    named = set(re.findall(r"\b(?:LIMPET|CELERY)_[A-Z_]+", PAGE))

    assert named <= variables().keys()


def test_the_example_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    [block] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for name, value in re.findall(r"^(\w+)=('.*'|\S+)", block, re.MULTILINE):
        monkeypatch.setenv(name, value.strip("'"))

    found = Settings(_env_file=None)

    assert (found.domain_rate, found.domain_concurrency) == (2, 8)
    assert found.domain_limits["api.example.com"].burst == 10


@pytest.mark.parametrize(
    "name",
    [
        "domain_jitter",
        "domain_longest_pause_seconds",
        "domain_longest_crawl_delay_seconds",
    ],
)
def test_a_default_that_is_told_is_the_default(name: str) -> None:
    told = re.search(rf"`LIMPET_{name.upper()}` \(([\d.]+)\)", PAGE)

    assert told
    assert float(told[1]) == Settings.model_fields[name].default
