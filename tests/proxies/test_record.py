"""What is known of a proxy is checked once, where it is made."""

from datetime import UTC, datetime

import pytest

from limpet.errors import InvalidProxy
from proxies import Proxy
from proxies.record import ProxyRecord

PROXY = Proxy("http", "10.0.0.1", 80, "me", "S3cret")


def test_of_a_proxy_alone_nothing_else_is_known() -> None:
    record = ProxyRecord(PROXY)

    assert (record.id, record.labels) == (PROXY.id, ())
    assert (record.weight, record.max_concurrency, record.enabled) == (1, 0, True)


def test_labels_say_what_filters_ask_for() -> None:
    record = ProxyRecord(
        PROXY,
        country="US",
        region="New York",
        city="Köln:Süd",
        asn=3320,
        tags=("mobile", "slow"),
        provider="ACME",
    )

    assert record.labels == (
        "asn:3320",
        "city:k_ln_s_d",
        "country:US",
        "provider:acme",
        "region:new_york",
        "tag:mobile",
        "tag:slow",
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("country", "us"),
        ("country", "USA"),
        ("country", "US\n"),
        ("region", "x" * 65),
        ("city", "two\nlines"),
        ("provider", " acme"),
        ("asn", 0),
        ("asn", 2**32),
        ("tags", ("b", "a")),
        ("tags", ("a", "a")),
        ("tags", ("Mobile",)),
        ("tags", ("",)),
        ("tags", ("a b",)),
        ("tags", ("x" * 33,)),
        ("weight", 0.0),
        ("weight", 1000.1),
        ("weight", float("nan")),
        ("max_concurrency", -1),
        ("max_concurrency", 10_001),
        ("expires", datetime(2030, 1, 1)),  # noqa: DTZ001 - that is the mistake
    ],
)
def test_a_wrong_value_is_refused_by_its_field(field: str, value: object) -> None:
    with pytest.raises(InvalidProxy, match=f"^{field} must"):
        ProxyRecord(PROXY, **{field: value})  # type: ignore[arg-type] # one is wrong


def test_the_bounds_themselves_are_allowed() -> None:
    low = ProxyRecord(PROXY, weight=0.01, max_concurrency=0, asn=1)
    high = ProxyRecord(PROXY, weight=1000, max_concurrency=10_000, asn=2**32 - 1)

    assert low.id == high.id


def test_a_record_shows_no_credentials() -> None:
    record = ProxyRecord(PROXY, expires=datetime(2030, 1, 1, tzinfo=UTC))

    assert "S3cret" not in repr(record)
    assert "'me'" not in repr(record)
