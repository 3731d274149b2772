"""A wrong setting stops a process at its start with a line that says what to do."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from limpet.errors import ConfigurationError
from limpet.reference import reference
from limpet.settings import PATTERNS, ROOT, Settings, settings, variables


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


@pytest.mark.parametrize(
    ("misspelt", "real"),
    [
        ("LIMPET_REDIS_ULR", "LIMPET_REDIS_URL"),
        ("LIMPET_SNAPSHOT_INTERVAL_MINUTES", "LIMPET_SNAPSHOT_INTERVAL_SECONDS"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_real_one(
    monkeypatch: pytest.MonkeyPatch, misspelt: str, real: str
) -> None:
    monkeypatch.setenv(misspelt, "redis://x")

    with pytest.raises(ConfigurationError, match=f"{misspelt}.*did you mean {real}[?]"):
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


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("LIMPET_DIRECT_POOLS", "A B", r"names of pools.* Default: unset\)$"),
        ("LIMPET_ROBOTS_USER_AGENT", "\xe9", r"1 to 256 .* Default: unset\)$"),
        ("LIMPET_PROXY_STRATEGY", "Round robin", "1 to 32 of the characters a-z 0-9 _"),
        ("LIMPET_USER_AGENT", "\xe9t\xe9", "1 to 256 characters of ASCII"),
    ],
)
def test_a_text_that_cannot_be_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigurationError, match=f"^{variable}: must be {says}"):
        settings()


def test_every_pattern_has_words_of_its_own() -> None:
    patterns = {
        name
        for name, field in variables().items()
        if any(getattr(one, "pattern", None) for one in field.metadata)
    }

    assert patterns == PATTERNS.keys()


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("LIMPET_REDIS_URL", "localhost:6379", "must begin with redis://"),
        ("LIMPET_REDIS_URL", "http://S3cret", "must begin with redis://"),
        ("LIMPET_REDIS_URL", "redis://:S3/cret@h", "percent-encoded"),
        ("LIMPET_REDIS_URL", "redis://:S3#cret@h/0", "percent-encoded"),
        ("LIMPET_REDIS_URL", "redis://h:S3cret/0", "the port must be a number"),
        ("LIMPET_REDIS_URL", "redis:///0", "the host is missing"),
        ("LIMPET_REDIS_URL", "redis://h/S3cret", "database number"),
        ("CELERY_BROKER_URL", "foo://S3cret", "must begin with redis://"),
        ("CELERY_BROKER_URL", "redis://:S3/cret@h", "percent-encoded"),
        ("CELERY_BROKER_URL", "redis://:S3cret@h℀/0", "the host is none"),
        ("CELERY_BROKER_URL", "redis://h/S3cret", "database number"),
        ("CELERY_RESULT_BACKEND", "S3cret", "must begin with redis://"),
        ("LIMPET_DATABASE_URL", "postgres://u:S3cret@h/d", r"postgresql\+psycopg://"),
        ("LIMPET_DATABASE_URL", "postgresql://u:S3cret@h/d", r"postgresql\+psycopg://"),
        ("LIMPET_DATABASE_URL", "S3cret", "must begin with sqlite:///"),
    ],
)
def test_a_url_that_cannot_be_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigurationError, match=f"^{variable}: .*{says}") as caught:
        settings()

    assert "S3" not in str(caught.value)
    assert len(caught.value.args) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LIMPET_REDIS_URL", "redis://:S3%2Fcret@h:1/5?ssl_cert_reqs=none"),
        ("LIMPET_REDIS_URL", "unix:///run/redis.sock?db=1"),
        ("LIMPET_REDIS_URL", "sentinel://:pw@a:1/0;sentinel://b"),
        ("CELERY_BROKER_URL", "amqp://me:pw@h//"),
        ("CELERY_BROKER_URL", "sentinel://a:1/0;sentinel://b:2/0"),
        ("CELERY_RESULT_BACKEND", "db+postgresql://u:pw@h/d"),
        ("CELERY_RESULT_BACKEND", "rpc://"),
        ("LIMPET_DATABASE_URL", "postgresql+psycopg://u:p%40@h/d"),
        ("LIMPET_DATABASE_URL", "sqlite:////tmp/a@b.db"),
    ],
)
def test_a_url_that_can_be_is_taken(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    assert value in {
        secret.get_secret_value()
        for secret in vars(settings()).values()
        if isinstance(secret, SecretStr)
    }


def test_stock_messages_are_held_for_longer_than_a_fetch_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIMPET_VISIBILITY_TIMEOUT_SECONDS", "5")
    monkeypatch.setenv("LIMPET_TRANSPORT", "stock")

    with pytest.raises(
        ConfigurationError, match=r"^LIMPET_VIS.*longer than LIMPET_JOB"
    ):
        settings()


def test_ids_are_hashed_only_where_the_real_ones_can_be_sealed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIMPET_HISTORY_HASH_KEY", "S3cret of 16 and more")

    with pytest.raises(ConfigurationError) as raised:
        settings()

    [line] = raised.value.args
    assert line.startswith("LIMPET_STATE_KEYS: must be set where LIMPET_HISTORY_HASH_")
    assert "S3cret" not in line
    monkeypatch.setenv("LIMPET_STATE_KEYS", "x" * 44)
    assert settings().history_hash_key is not None


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [
        ("LIMPET_SNAPSHOT_INTERVAL_SECONDS", "0.99", "from 1"),
        ("LIMPET_ALERTS_INTERVAL_SECONDS", "0", "from 1"),
        ("SESSION_CLEANUP_INTERVAL_MINUTES", "0.01", "from 0.02"),
    ],
)
def test_nothing_is_to_run_more_often_than_once_in_a_second(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, least: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError, match=f"^{name}: .*allowed: {least}"):
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

    # What else there is belongs to docker compose: see tests/test_compose.py.
    for name in set(named) & set(known):
        if isinstance(known[name], bool | int | float):
            assert named[name] == str(known[name]).lower(), name


def test_limits_of_domains_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "LIMPET_DOMAIN_LIMITS", '{"example.com": {"rate": 2, "concurrency": 4}}'
    )

    [(domain, limit)] = settings().domain_limits.items()

    assert (domain, limit.rate, limit.concurrency, limit.burst) == (
        *("example.com", 2, 4, 1),
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("{", "must be JSON such as"),
        ('{"example.com": {"rate": -1}}', r"example\.com\.rate: "),
        ('{"example.com": {"rats": 1}}', r"example\.com\.rats: "),
        ('{"https://example.com": {"rate": 1}}', "should match pattern"),
    ],
)
def test_limits_of_domains_that_cannot_be_are_refused(
    monkeypatch: pytest.MonkeyPatch, value: str, told: str
) -> None:
    monkeypatch.setenv("LIMPET_DOMAIN_LIMITS", value)

    with pytest.raises(ConfigurationError, match=f"^LIMPET_DOMAIN_LIMITS: .*{told}"):
        settings()
