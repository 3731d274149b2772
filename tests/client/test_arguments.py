"""What the client is given and cannot use: one error that names it, nothing is sent."""

from typing import Any

import pytest

from limpet.client import Limpet
from limpet.errors import ConfigurationError, InvalidJob

#: Where nobody listens: what would be sent is `StoreUnavailable`.
NOWHERE = "redis://127.0.0.1:1/0"
URL = "http://x.example"


@pytest.mark.parametrize(
    ("method", "given", "says"),
    [
        ("scrape_many", {"urls": 5}, "urls: must be a list of URLs"),
        ("scrape_many", {"urls": None}, "urls: must be a list of URLs"),
        ("scrape_batch", {"urls": URL}, "urls: must be a list of URLs, not one"),
        ("scrape", {"url": URL, "task_id": ""}, "task_id: must be 1 to 100"),
        ("scrape_batch", {"urls": [URL], "batch_id": ""}, "batch_id: must be 1 to 100"),
        ("scrape_batch", {"urls": [URL], "prefix": ""}, "prefix: must be 1 to 120"),
        ("scrape_batch", {"urls": [URL], "prefix": 5}, "prefix: must be 1 to 120"),
        ("scrape_batch", {"urls": [URL], "prefix": "a b"}, "prefix: must be 1 to 120"),
    ],
)
def test_a_wrong_argument_is_named(
    method: str, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidJob, match=f"^{says}"):
        getattr(Limpet(NOWHERE), method)(**given)


@pytest.mark.parametrize("timeout", ["soon", float("nan")])
def test_a_timeout_that_is_no_number_is_named(timeout: Any) -> None:
    with pytest.raises(InvalidJob, match=r"^timeout: must be a number"):
        Limpet(NOWHERE).job("x").get(timeout=timeout)


@pytest.mark.parametrize("url", ["", 5])
def test_without_a_broker_no_other_one_is_taken(
    monkeypatch: pytest.MonkeyPatch, url: Any
) -> None:
    # What Celery would read, were it asked to.
    monkeypatch.setenv("CELERY_BROKER_URL", NOWHERE)

    with pytest.raises(ConfigurationError, match=r"^broker_url: must be a text"):
        Limpet(url)
    with pytest.raises(ConfigurationError, match=r"^result_backend: must be a text"):
        Limpet(NOWHERE, url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("S3cret", "must begin with"),
        ("foo://S3cret", "must begin with"),
        ("redis://h:S3cret/0", "the port must be a number"),
        ("redis://:S3/cret@h/0", "percent-encoded"),
        ("redis://h/S3cret", "database number"),
        ("redis://:S3cret@[::1/0", "the host is none"),
        ("redis://:S3cret@h℀/0", "the host is none"),
    ],
)
def test_a_url_that_celery_cannot_use_is_named_and_not_repeated(
    url: str, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^broker_url: .*{says}") as broker:
        Limpet(url).scrape(URL)
    with pytest.raises(ConfigurationError, match=f"^result_backend: .*{says}") as kept:
        _ = Limpet(NOWHERE, url).job("x").state

    for wrong in (broker, kept):
        assert "S3cret" not in str(wrong.value)
        assert wrong.value.__cause__ is None
        assert wrong.value.__suppress_context__
