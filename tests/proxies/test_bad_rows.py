"""A bad row costs no other row, and what is said of it never repeats it."""

import json
import re

import pytest

from proxies.sources import Import, read


def _places(found: Import) -> list[str]:
    return [record.proxy.address for record in found.records]


def test_bad_rows_are_reported_by_number_and_cost_no_other() -> None:
    files = {
        "lines": "# mine\n10.0.0.1:80\nS3cret\n\n10.0.0.2:80\nftp://me:S3cret@h:1",
        "csv": "url,weight\n10.0.0.1:80,1\nS3cret,1\n\n10.0.0.2:80,\nh:1,S3cret",
        "jsonl": '"10.0.0.1:80"\n\n{"url": S3cret}\n"10.0.0.2:80"\n\n["S3cret"]',
        "json": '["10.0.0.1:80", "10.0.0.2:80", "S3cret", {"host": "10.0.0.3"}, {}, 7]',
    }

    found = {name: read(text) for name, text in files.items()}

    for name, one in found.items():
        assert one.form == name
        assert _places(one) == ["http://10.0.0.1:80", "http://10.0.0.2:80"], name
        wanted = [3, 4, 5, 6] if name == "json" else [3, 6]
        assert [bad.number for bad in one.bad] == wanted, name
        assert "S3cret" not in str(one.bad)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("country", "Germany", "country must be"),
        ("asn", "ASx", "asn must be"),
        ("asn", "99999999999", "asn must be"),
        ("tags", "big dog", "tags must be"),
        ("weight", "heavy", "weight must be"),
        ("weight", "nan", "weight must be"),
        ("max_concurrency", "1_000", "max_concurrency must be"),
        ("max_concurrency", "-1", "max_concurrency must be"),
        ("enabled", "perhaps", "enabled must be"),
        ("expires", "tomorrow", "expires must be"),
        ("expires", "0001-01-01T00:00+14:00", "expires must be"),
        ("region", "x" * 65, "region must be"),
        ("port", "0", "the port must be"),
        ("port", "", "the port is missing"),
        ("scheme", "socks4", "the scheme must be"),
        ("host", "me@h", "the host is neither"),
        ("username", '"open', "not CSV"),
    ],
)
def test_the_reason_names_the_field(column: str, value: str, reason: str) -> None:
    row = {"host": "10.0.0.1", "port": "80", column: value}

    found = read(f"{','.join(row)}\n{','.join(row.values())}\n10.0.0.9:80,80,\n")

    assert found.bad[0].reason.startswith(reason)
    assert not value or value not in found.bad[0].reason


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"url": ["10.0.0.1:80"]}, "url must be text"),
        ({"url": "10.0.0.1:80", "weight": [1]}, "weight must be"),
        ({"url": "10.0.0.1:80", "weight": 10**400}, "weight must be"),
        ({"url": "10.0.0.1:80", "tags": {"a": 1}}, "tags must be"),
        ({"url": "10.0.0.1:80", "tags": [1]}, "tags must be"),
        ({"url": "10.0.0.1:80", "enabled": [True]}, "enabled must be"),
        ({"url": "10.0.0.1:80", "expires": 1893456000.5}, "expires must be"),
        ({"host": "10.0.0.1", "port": True}, "port must be text"),
        ({"host": "10.0.0.1", "port": 80.0}, "port must be text"),
        ({"url": "http://me:\ud800@10.0.0.1:80"}, "the user name or the password"),
        ({"url": None, "country": "DE"}, "neither url nor host"),
    ],
)
def test_json_of_the_wrong_kind_is_refused_by_its_field(
    row: dict[str, object], reason: str
) -> None:
    [bad] = read(json.dumps([row])).bad

    assert bad.reason.startswith(reason)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"host": "S3cret"', "in line 1 of the file"),
        ('[\n"10.0.0.1:80",\n"S3cret"', "in line 3 of the file"),
        ("[" * 100_000, "lists too deep"),
        (f'["S3cret", {"1" * 5000}]', "a number too long"),
        ('{"proxies": "S3cret"}', "neither a list"),
        ('{"proxies": {"S3cret": 1}}', "neither"),
        ('{"data": []}', "neither url nor host"),
    ],
)
def test_json_that_is_none_is_one_bad_line(text: str, reason: str) -> None:
    found = read(text)

    [bad] = found.bad
    assert found.records == []
    assert re.search(reason, bad.reason)
    assert "S3cret" not in bad.reason


def test_a_row_with_too_many_cells_is_not_guessed_at() -> None:
    [bad] = read("host,port,password\n10.0.0.1,80,S3c,ret\n").bad

    assert bad.reason.startswith("there are more cells")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("[2001:db8::1:80", "10.0.0.1:80"),
        ("[S3cret", "10.0.0.1:80"),
        ('{"url": oops}', '"10.0.0.1:80"'),
        ('"oops', "10.0.0.1:80"),
    ],
)
def test_a_broken_first_line_does_not_hide_the_others(first: str, second: str) -> None:
    found = read([f"{first}\n", f"{second}\n"])

    assert [bad.number for bad in found.bad] == [1]
    assert _places(found) == ["http://10.0.0.1:80"]
