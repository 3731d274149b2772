"""What a job may ask for beyond its page, and what it hears of a mistake."""

from typing import Any

import pytest

from limpet.errors import InvalidJob
from limpet.jobs import IdempotencyKey, Job, Store, Webhook

URL = "https://app.example/hook?token=S3cret"


class Options(Job):
    """The options that every kind of job has."""

    store: Store | None = None
    webhook: Webhook | None = None
    idempotency_key: IdempotencyKey | None = None


def test_a_webhook_is_a_url_or_an_object() -> None:
    short = Options.parse((), {"webhook": URL}).webhook
    long = Options.parse((), {"webhook": {"url": URL, "events": ["failed"]}}).webhook

    assert short
    assert (short.url, short.events) == (URL, ["completed", "failed"])
    assert long
    assert long.events == ["failed"]
    assert Options.parse((), {"webhook": None}).webhook is None


@pytest.mark.parametrize("store", [None, "row", "body"])
def test_what_is_kept_is_nothing_a_row_or_a_body(store: str | None) -> None:
    assert Options.parse((), {"store": store}).store == store


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ({"webhook": 5}, "webhook: must be a URL or an object with url and events"),
        ({"webhook": "ftp://S3cret"}, "webhook: url: must be an http:// or https://"),
        ({"webhook": "http://u:S3cret@h/"}, "webhook: url: must not carry a user name"),
        ({"webhook": {}}, "webhook: url: field required"),
        ({"webhook": {"url": URL, "event": 1}}, "webhook: there is no field 'event'"),
        ({"webhook": {"url": URL, "events": []}}, "webhook: events: .*at least 1"),
        ({"webhook": {"url": URL, "events": ["x"]}}, "webhook: events: .*'completed'"),
        ({"store": True}, "store: .*'row' or 'body'"),
        ({"store": "all"}, "store: .*'row' or 'body'"),
        ({"idempotency_key": ""}, "idempotency_key: .*at least 1"),
        ({"idempotency_key": "S3cret" * 50}, "idempotency_key: .*at most 255"),
        ({"idempotency_key": 7}, "idempotency_key: .*valid string"),
    ],
)
def test_a_mistake_is_named_and_no_value_repeated(
    job: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidJob, match=f"^{says}") as caught:
        Options.parse((), job)

    assert "S3cret" not in str(caught.value)


def test_the_schema_says_that_a_webhook_may_be_a_url() -> None:
    schema = Options.model_json_schema()

    kinds = str(schema["properties"]["webhook"])
    assert "string" in kinds
    assert "Hook" in kinds
