"""A wrong limit, URL or expression is one clear line at the start."""

from collections.abc import Iterator

import pytest

from limpet.errors import ConfigurationError
from limpet.settings import settings

SECRET = "S3cretCanary"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LIMPET_ENV_FILE", "/dev/null")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LIMPET_HEALTH_MAX_SESSIONS", "0"),
        ("LIMPET_HEALTH_TIMEOUT_SECONDS", "nan"),
        ("LIMPET_HEALTH_MIN_PROXIES_PERCENT", "101"),
        ("LIMPET_HEALTH_BEAT_SILENT_SECONDS", "-5"),
        ("LIMPET_ALERT_AFTER_SECONDS", "inf"),
        ("LIMPET_ALERT_WEBHOOK_URL", f"ftp://shop.example/{SECRET}"),
        ("LIMPET_PROBE_URL", f"shop.example?key={SECRET}"),
        ("LIMPET_PROBE_ADDRESS", "[["),
        ("LIMPET_PROBE_BATCH_SIZE", "501"),
    ],
)
def test_a_wrong_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigurationError, match=f"^{variable}: ") as raised:
        settings()

    assert SECRET not in str(raised.value)


def test_nothing_is_probed_or_sent_unless_it_is_asked_for() -> None:
    found = settings()

    assert found.probe_url is None
    assert found.alert_webhook_url is None


def test_a_webhook_that_is_signed_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMPET_ALERT_WEBHOOK_URL", "https://shop.example/hook")
    monkeypatch.setenv("LIMPET_WEBHOOK_SECRET", "x" * 32)

    assert settings().alert_webhook_url is not None
