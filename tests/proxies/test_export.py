"""What is written reads back the same."""

from datetime import UTC, datetime, timedelta, timezone
from string import ascii_letters, ascii_lowercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxies import Proxy
from proxies.export import write
from proxies.formats import Format
from proxies.proxy import SCHEMES
from proxies.record import ProxyRecord
from proxies.sources import read

_ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_HARD = st.one_of(_ANY, st.text(":@/#%\" \t\r\n,;|'[]{}", max_size=8))
_LABEL = st.text(ascii_lowercase + digits, min_size=1, max_size=8)
_HOSTS = st.one_of(
    st.ip_addresses().map(str),
    st.lists(_LABEL.map(lambda text: f"h{text}"), min_size=1, max_size=3).map(".".join),
)
_TEXT = (
    st.text(st.characters(exclude_categories=["C", "Z"]), max_size=20)
    .map(lambda text: f"{text[:5]} {text[5:]}".strip())
    .filter(str.isprintable)
)
_TAGS = st.sets(st.text(ascii_lowercase + digits + "_.-", min_size=1, max_size=32))
_MOMENTS = st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-11, minutes=-30))]),
)

RECORDS = st.builds(
    ProxyRecord,
    st.builds(
        Proxy, st.sampled_from(SCHEMES), _HOSTS, st.integers(1, 65_535), _HARD, _HARD
    ),
    country=st.one_of(st.just(""), st.from_regex(r"[A-Z]{2}", fullmatch=True)),
    region=_TEXT,
    city=st.one_of(_TEXT, st.text(ascii_letters + ",;|\"'#[{", max_size=9)),
    asn=st.none() | st.integers(1, 2**32 - 1),
    tags=_TAGS.map(lambda words: tuple(sorted(words))),
    weight=st.floats(0.01, 1000),
    max_concurrency=st.integers(0, 10_000),
    provider=_TEXT,
    enabled=st.booleans(),
    expires=st.none() | _MOMENTS,
)
#: Of two records for one proxy a file gives back the last one.
LISTS = st.lists(RECORDS, max_size=6, unique_by=lambda record: record.id)


@pytest.mark.parametrize("form", [Format.CSV, Format.JSON, Format.JSONL])
@given(records=LISTS)
def test_what_is_written_reads_back_the_same(
    form: Format, records: list[ProxyRecord]
) -> None:
    found = read("".join(write(records, form, passwords=True)))

    assert found.bad == []
    assert found.records == records
    assert [one.proxy.password for one in found.records] == [
        one.proxy.password for one in records
    ]


@given(records=LISTS)
def test_lines_read_back_as_the_same_proxies(records: list[ProxyRecord]) -> None:
    found = read("".join(write(records, Format.LINES, passwords=True)))

    assert [one.proxy.url for one in found.records] == [
        one.proxy.url for one in records
    ]


@pytest.mark.parametrize("form", Format)
def test_credentials_are_written_only_when_asked(form: Format) -> None:
    records = [ProxyRecord(Proxy("http", "10.0.0.1", 80, "K3y", "S3cret"))]

    asked = "".join(write(records, form, passwords=True))
    bare = "".join(write(records, form))

    assert "http://K3y:S3cret@10.0.0.1:80" in asked
    assert "http://10.0.0.1:80" in bare
    assert "S3cret" not in bare
    assert "K3y" not in bare


@pytest.mark.parametrize("form", Format)
def test_lines_end_and_come_one_by_one(form: Format) -> None:
    records = [ProxyRecord(Proxy("http", f"10.0.0.{n}", 80)) for n in range(3)]

    text = "".join(write(iter(records), form))

    assert text.endswith("\n")
    assert len(text.splitlines()) >= 3
    assert read(text).form is form
