"""A wrong setting stops a process at its start with a line that says what to do."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.errors import ConfigurationError
from limpet.settings import ROOT, Settings, reference, settings


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LIMPET_ENV_FILE", "/dev/null")
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_without_anything_set_everything_is_embedded() -> None:
    found = settings()

    assert found.embedded_redis
    assert found.celery_broker == found.celery_results == "redis://127.0.0.1:6399/0"
    assert found.sessions_url == "redis://127.0.0.1:6399/1"
    assert found.sql_url.startswith("sqlite:///")


def test_a_misspelt_variable_is_refused_with_the_nearest_real_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIMPET_REDIS_ULR", "redis://x")

    with pytest.raises(ConfigurationError, match=r"LIMPET_REDIS_ULR.*LIMPET_REDIS_URL"):
        settings()


def test_a_misspelt_variable_in_the_file_is_refused_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "env"
    file.write_text("SESSION_CLEANUP_INTERVAL=5\nOTHER=1\n")
    monkeypatch.setenv("LIMPET_ENV_FILE", str(file))

    with pytest.raises(ConfigurationError, match="SESSION_CLEANUP_INTERVAL_MINUTES"):
        settings()


def test_a_named_file_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMPET_ENV_FILE", "/nowhere/env")

    with pytest.raises(ConfigurationError, match="LIMPET_ENV_FILE: there is no file"):
        settings()


def test_the_environment_wins_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "env"
    file.write_text("LIMPET_WORKER_THREADS=3\nSESSION_TIMEOUT_MINUTES=7\n")
    monkeypatch.setenv("LIMPET_ENV_FILE", str(file))
    monkeypatch.setenv("LIMPET_WORKER_THREADS", "4")

    found = settings()

    assert (found.worker_threads, found.session_timeout_minutes) == (4, 7)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SESSION_TIMEOUT_MINUTES", "-5"),
        ("SESSION_CLEANUP_INTERVAL_MINUTES", "abc"),
        ("SESSION_CLEANUP_BATCH_SIZE", "5000"),
        ("LIMPET_SNAPSHOT_INTERVAL_SECONDS", "inf"),
        ("LIMPET_WORKER_THREADS", "0"),
        ("LIMPET_LOG_LEVEL", "LOUD"),
        ("LIMPET_EMBEDDED_REDIS_PORT", "99999"),
    ],
)
def test_a_value_out_of_bounds_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigurationError, match=f"^{variable}: .*{value}"):
        settings()


def test_every_wrong_variable_is_reported_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIMPET_WORKER_THREADS", "0")
    monkeypatch.setenv("LIMPET_JOB_MAX_TRIES", "0")

    with pytest.raises(ConfigurationError) as caught:
        settings()

    assert len(caught.value.args) == 2


def test_urls_with_passwords_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMPET_REDIS_URL", "redis://:S3cret@h/1")
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://me:S3cret@h//")

    found = settings()

    assert "S3cret" not in repr(found)
    assert "S3cret" in found.sessions_url
    assert found.celery_results == "rpc://"


def test_the_page_of_settings_is_up_to_date() -> None:
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")

    assert page.strip() == reference().strip(), "run `make docs`"


def test_the_example_file_names_real_settings_and_their_defaults() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    named = dict(re.findall(r"^#? ?([A-Z_]+)=(.*)$", "\n".join(lines), re.MULTILINE))
    known = {
        str(field.validation_alias or f"LIMPET_{name.upper()}"): field.default
        for name, field in Settings.model_fields.items()
    }

    flower = {name for name in named if name.startswith("FLOWER_")}
    assert set(named) - flower <= set(known)
    for name, value in named.items():
        if name not in flower and isinstance(known[name], bool | int | float):
            assert value == str(known[name]).lower(), name
